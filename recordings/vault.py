"""Where recordings lie, and how a finished one is sealed: measured, hashed and linked into the chain.

Files are plain WAV, protected by the folder's mode; they are not encrypted.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from uuid import UUID

from calls import Call, Clock, Recording, SystemClock
from calls.errors import AudioError
from recordings import wavfile
from recordings.chain import START, Link, What
from recordings.retention import Kept, cutoff, due
from storage import Database, queries

log = logging.getLogger(__name__)

_SQL = queries.load(Path(__file__).with_name("queries.sql"))
_STRETCH = 500


@dataclass(frozen=True, slots=True)
class Broken:
    """The first place where the chain does not hold."""

    number: int
    call_id: str
    problem: str


class Vault:
    """The recordings below ``folder``, in ``YYYY/MM/DD/<call id>.wav`` by the UTC day on which the call began."""

    def __init__(self, folder: Path, db: Database, clock: Clock | None = None) -> None:
        self.folder = folder
        self._db = db
        self._clock = clock or SystemClock()

    def path_for(self, call: Call) -> Path:
        """Where the call is to be recorded; the folder exists afterwards. Raises ValueError if its id is no UUID."""
        day = self.folder / call.began.astimezone(UTC).strftime("%Y/%m/%d")
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        day.mkdir(parents=True, exist_ok=True)
        return day / f"{UUID(call.id)}.wav"

    def file(self, recording: Recording) -> Path:
        """The recording's file; gone when it was deleted for its age."""
        return self.folder / recording.path

    async def seal(self, call_id: str, path: Path) -> Recording:
        """Close the record of a finished call. Sealing again gives the first result.

        Raises AudioError when there is no usable file, or its writer has not let go of it yet; DatabaseAway when it
        cannot be entered now. ``recover`` comes back to what could not be sealed.
        """
        if (link := await self._link(call_id, "sealed")) is not None:
            return link.recording
        recording = await asyncio.to_thread(self._measure, call_id, path)
        return await self._append("sealed", recording)

    async def find(self, call_id: str) -> Recording | None:
        """The sealed recording of a call, unless it was deleted. Raises DatabaseAway."""
        link = await self._link(call_id, "sealed")
        return None if link is None or await self._link(call_id, "deleted") else link.recording

    async def recover(self, days: int = 31) -> list[Recording]:
        """Seal what a crash left unsealed in the newest ``days`` day folders. Recordings in progress are left alone.

        A file that is no WAV is renamed to ``….wav.broken`` and logged. Raises DatabaseAway.
        """
        sealed: list[Recording] = []
        folders = await asyncio.to_thread(lambda: sorted(self.folder.glob("[0-9]*/[0-9]*/[0-9]*"), reverse=True))
        for folder in folders[:days]:
            paths = {path.stem: path for path in folder.glob("*.wav")}
            known = {row["call_id"] for row in await self._db.fetch(_SQL["sealed_among"], list(paths))}
            for call_id in sorted(paths.keys() - known):
                if await asyncio.to_thread(wavfile.being_written, paths[call_id]):
                    continue
                try:
                    sealed.append(await self.seal(call_id, paths[call_id]))
                except AudioError as error:
                    log.error("%s; it is set aside", error)
                    paths[call_id].rename(paths[call_id].with_suffix(".wav.broken"))
        return sealed

    async def delete_due(self, days: int) -> list[Recording]:
        """Delete the recordings that were sealed ``days`` or more ago; their rows stay. Raises DatabaseAway."""
        now = self._clock.now()
        rows = await self._db.fetch(_SQL["kept_until"], cutoff(now, days))
        kept = [Kept(link.recording, link.at) for link in (Link(**row) for row in rows)]
        deleted = [each.recording for each in due(kept, now, days)]
        for recording in deleted:
            # The file first: if the row then fails, the next run tries again, and nothing outlives its time.
            await asyncio.to_thread(self.file(recording).unlink, missing_ok=True)
            await self._append("deleted", recording)
        return deleted

    async def head(self) -> str:
        """The last link's hash. Noted elsewhere, it shows later whether links were cut off at the end."""
        row = await self._db.fetch_one(_SQL["last_link"])
        return row["hash"] if row else START

    async def verify(self) -> Broken | None:
        """Go through the whole chain and every kept file; the first broken link, or None. Raises DatabaseAway."""
        deleted = {row["call_id"] for row in await self._db.fetch(_SQL["deleted_calls"])}
        before, number = START, 0
        async for link in self._links():
            number += 1
            if link.number != number:
                return Broken(number, "", f"the row is missing; the next one is {link.number}")
            if link.hash != link.expected_hash(before):
                return Broken(number, link.call_id, "the row was changed, or one before it was replaced")
            if link.what == "sealed" and link.call_id not in deleted:
                problem = await asyncio.to_thread(self._compare, link)
                if problem:
                    return Broken(number, link.call_id, problem)
            before = link.hash
        return None

    async def _links(self) -> AsyncIterator[Link]:
        first = 1
        while rows := await self._db.fetch(_SQL["links_from"], first, _STRETCH):
            for row in rows:
                yield Link(**row)
            first = rows[-1]["number"] + 1

    async def _link(self, call_id: str, what: What) -> Link | None:
        row = await self._db.fetch_one(_SQL["link_of_call"], call_id, what)
        return Link(**row) if row else None

    async def _append(self, what: What, recording: Recording) -> Recording:
        async with self._db.transaction() as connection:
            await connection.execute(_SQL["lock_chain"])
            there = await connection.fetchrow(_SQL["link_of_call"], recording.call_id, what)
            if there is not None:
                return Link(**there).recording
            last = await connection.fetchrow(_SQL["last_link"])
            link = Link.after(Link(**last) if last else None, what, recording, self._clock.now())
            await connection.execute(
                _SQL["add_link"], link.number, link.what, link.call_id, link.path, link.seconds, link.sha256, link.at,
                link.hash,
            )
            return recording

    def _measure(self, call_id: str, path: Path) -> Recording:
        wavfile.layout(path)
        if wavfile.being_written(path):
            raise AudioError(f"{path}: is still being written")
        seconds = wavfile.repair(path).seconds
        path.chmod(0o440)  # finished: an accidental writer is refused
        return Recording(call_id, str(path.relative_to(self.folder)), round(seconds, 3), _sha256(path))

    def _compare(self, link: Link) -> str:
        """What is wrong with the link's file, or empty."""
        try:
            return "" if _sha256(self.file(link.recording)) == link.sha256 else "the file was changed"
        except OSError as error:
            return f"the file cannot be read: {error.strerror}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
