"""The calls in progress, folded from events as they are written: who calls, since when, and what happens now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from calls import Event
from desktop.clicks import Clicks


class Stage(StrEnum):
    """Where a call in progress stands."""

    ARRIVING = "arriving"
    FLOW = "flow"
    """Heard and helped by the dialplan."""
    WAITING = "waiting"
    RINGING = "ringing"
    """An agent's phone rings."""
    DIALLING = "dialling"
    TALKING = "talking"


@dataclass(slots=True)
class LiveCall:
    """One call. ``began`` and ``since`` (of the stage) are Unix times; ``caller`` is masked, empty when withheld."""

    id: str
    caller: str
    called: str
    began: float
    since: float
    stage: Stage = Stage.ARRIVING
    queue: str = ""
    agent: str = ""
    supervisor: str = ""
    """The supervisor's telephone in this call, and how it takes part (``telephony.supervision.Mode``)."""
    supervision: str = ""


class LiveCalls:
    """Fed with every event by ``note``; holds only calls that are not over, and what became of ``clicks``."""

    def __init__(self) -> None:
        self.clicks = Clicks()
        self._calls: dict[str, LiveCall] = {}
        self._watchers: set[Callable[[], None]] = set()

    def __len__(self) -> int:
        return len(self._calls)

    def all(self) -> list[LiveCall]:
        """Oldest first."""
        return list(self._calls.values())

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call ``changed`` after every change; returns what ends the subscription."""
        self._watchers.add(changed)
        return lambda: self._watchers.discard(changed)

    def note(self, event: Event) -> None:
        """Fold one event. Kinds that change nothing here are passed over."""
        if event.call_id is None:
            return
        folded = self._fold(event.call_id, event)
        if self.clicks.note(event) or folded:
            for changed in tuple(self._watchers):
                changed()

    def _fold(self, call_id: str, event: Event) -> bool:
        """Whether it changed anything."""
        if event.kind == "call.invited":
            self._calls[call_id] = _invited(call_id, event)
        elif event.kind == "call.ended":
            self._calls.pop(call_id, None)
        elif call_id not in self._calls:
            return False
        elif event.kind in _SUPERVISED:
            _supervised(self._calls[call_id], event)
        elif event.kind in _STAGES:
            _advance(self._calls[call_id], event)
        else:
            return False
        return True


def _invited(call_id: str, event: Event) -> LiveCall:
    at = event.at.timestamp()
    caller, called = (str(event.details.get(key) or "") for key in ("caller", "called"))
    return LiveCall(call_id, "" if caller == "None" else caller, called, at, at)


def _advance(call: LiveCall, event: Event) -> None:
    stage = _STAGES[event.kind]
    if stage is not call.stage:
        call.stage, call.since = stage, event.at.timestamp()
    if stage is Stage.WAITING:
        call.queue = str(event.details.get("queue", call.queue))
    if stage in (Stage.RINGING, Stage.DIALLING, Stage.TALKING):
        call.agent = event.agent or call.agent
    else:
        call.agent = ""


def _supervised(call: LiveCall, event: Event) -> None:
    present = event.kind != "supervision.ended"
    call.supervisor = str(event.details.get("phone", "")) if present else ""
    call.supervision = str(event.details.get("mode", "")) if present else ""


_SUPERVISED = frozenset({"supervision.began", "supervision.changed", "supervision.ended"})
_STAGES: Mapping[str, Stage] = {
    "call.answered": Stage.FLOW,
    "queue.entered": Stage.WAITING,
    "queue.offered": Stage.RINGING,
    "queue.withdrawn": Stage.WAITING,
    "queue.refused": Stage.WAITING,
    "queue.answered": Stage.TALKING,
    "agent.talked": Stage.FLOW,
    "queue.left": Stage.FLOW,
    "call.dialling": Stage.DIALLING,
    "agent.dialled": Stage.DIALLING,
    "call.not_answered": Stage.FLOW,
    "call.bridged": Stage.TALKING,
    "leg.ended": Stage.FLOW,
}
"""Kind of event → the stage that begins with it."""
