"""What happens is written down as it happens: to the log, and to whoever watches the calls in progress."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from calls import Call, Clock, Event
from storage import EventLog


class Chronicle:
    """The server's one place to append events. ``watch`` is called with each of them, on the loop."""

    def __init__(self, log: EventLog, watch: Callable[[Event], None]) -> None:
        self._log, self._watch = log, watch
        self._stories: dict[str, list[Event]] = {}

    @property
    def waiting(self) -> int:
        """Events that the database does not have yet."""
        return self._log.waiting

    def append(self, event: Event) -> None:
        """Never blocks, never loses."""
        self._log.append(event)
        self._watch(event)
        if event.call_id in self._stories:
            self._stories[event.call_id].append(event)

    def open(self, call_id: str) -> list[Event]:
        """Collect what is said of a call, by whomever, until ``close``."""
        return self._stories.setdefault(call_id, [])

    def close(self, call_id: str) -> None:
        """The call is over and accounted for."""
        self._stories.pop(call_id, None)


class Diary:
    """Writes the events of ``call``; ``events`` are those that others wrote about it too."""

    def __init__(self, call: Call, chronicle: Chronicle, clock: Clock) -> None:
        self._call, self._chronicle, self._clock = call, chronicle, clock
        self.events = chronicle.open(call.id)

    def note(self, kind: str, details: Mapping[str, object] | None = None, agent: str = "") -> None:
        """Write that ``kind`` happened now, ``agent`` taking part. ``details`` holds JSON values, numbers masked."""
        self._chronicle.append(Event(kind, self._clock.now(), self._call.id, agent or None, details or {}))

    def has(self, kind: str) -> bool:
        """Whether ``kind`` has happened."""
        return any(event.kind == kind for event in self.events)

    def close(self) -> None:
        """Nothing more will be written."""
        self._chronicle.close(self._call.id)
