"""The file in which events wait while the database is away: one JSON list a line, oldest first."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from uuid import UUID, uuid4

from calls.events import Event

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Entry:
    """An event as it is written. ``id`` makes a second writing harmless; ``details`` is JSON text."""

    id: UUID
    kind: str
    at: datetime
    call_id: str | None
    agent: str | None
    details: str

    @classmethod
    def of(cls, event: Event) -> Entry:
        """Never fails, because a call must not end over its log: what cannot be JSON becomes text, and what
        PostgreSQL's text cannot hold (NUL, lone surrogates from undecodable headers) is replaced."""
        try:
            details = json.dumps(dict(event.details), ensure_ascii=False, default=str, allow_nan=False)
        except (ValueError, TypeError):
            details = json.dumps({"unreadable": repr(event.details)}, ensure_ascii=False)
        # JSON writes NUL as an escape; a backslash in the text is doubled, so the replacement stays valid JSON
        details = _storable(details.replace("\\u0000", "\\ufffd"))
        call_id = None if event.call_id is None else _storable(event.call_id)
        agent = None if event.agent is None else _storable(event.agent)
        return cls(uuid4(), _storable(event.kind), event.at.astimezone(UTC), call_id, agent, details)

    def line(self) -> bytes:
        """One line of the spool file."""
        fields = [str(self.id), self.kind, self.at.isoformat(), self.call_id, self.agent, self.details]
        return json.dumps(fields, ensure_ascii=False).encode() + b"\n"

    @classmethod
    def parse(cls, line: bytes) -> Entry:
        """The entry of one line; ValueError when it is none."""
        match json.loads(line):
            case [str(id_), str(kind), str(at), str() | None as call_id, str() | None as agent, str(details)]:
                return cls(UUID(id_), kind, datetime.fromisoformat(at), call_id, agent, details)
        raise ValueError("not an event")


def _storable(text: str) -> str:
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


class Spool:
    """Entries on disk, in the order in which they were added. Methods block for the disk; any thread may call them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._size = path.stat().st_size if path.exists() else 0
        self._taken = 0
        """Bytes from the start of the file that the database has. A crash forgets it; ids make re-reading harmless."""
        self._lock = threading.Lock()  # a cancelled task leaves its thread at work

    @property
    def empty(self) -> bool:
        return self._taken >= self._size

    def add(self, entries: Sequence[Entry]) -> None:
        """Write entries and wait until they are on disk. Raises OSError, having added nothing."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._lock, self.path.open("ab") as file:
            try:
                if not self.empty and not self._ends_with_newline():
                    file.write(b"\n")  # a crash tore the last line
                file.write(b"".join(entry.line() for entry in entries))
                file.flush()
                os.fdatasync(file.fileno())
            except OSError:
                os.truncate(self.path, self._size)
                raise
            self._size = file.tell()

    def peek(self, limit: int) -> tuple[list[Entry], int]:
        """Up to ``limit`` of the oldest entries, and the mark to give to ``forget`` when the database has them."""
        with self._lock, self.path.open("rb") as file:
            file.seek(self._taken)
            lines = list(islice(file, limit))
        entries: list[Entry] = []
        for line in lines:
            try:
                entries.append(Entry.parse(line))
            except ValueError as error:
                self.set_aside(line, f"a line is no event ({error})")
        return entries, self._taken + sum(map(len, lines))

    def forget(self, mark: int) -> None:
        """Everything before ``mark`` is in the database; the file goes when nothing is left in it."""
        with self._lock:
            self._taken = mark
            if self.empty:
                self.path.unlink(missing_ok=True)
                self._taken = self._size = 0

    def set_aside(self, line: bytes, problem: str) -> None:
        """Keep in a file beside the spool what can never be stored, so that a person can look at it."""
        aside = self.path.with_suffix(".rejected")
        with aside.open("ab") as file:
            file.write(line if line.endswith(b"\n") else line + b"\n")
        log.error("%s: %s; it was put into %s", self.path, problem, aside)

    def _ends_with_newline(self) -> bool:
        with self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"
