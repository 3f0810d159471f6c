"""The short account of a call, folded from its events. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from calls import Event, Insight


@dataclass
class _Sum:
    """What is known after some of the events."""

    began: datetime | None = None
    latest: datetime | None = None
    intents: list[str] = field(default_factory=list)
    queue: str = ""
    agent: str = ""
    waiting_since: datetime | None = None
    waited: float = 0.0
    talking_since: datetime | None = None
    talked: float = 0.0
    solved: bool = False
    ended_by: str = ""
    turns: list[tuple[str, str]] = field(default_factory=list)

    def spoken(self, speaker: str, text: object) -> None:
        if text:
            self.turns.append((speaker, str(text)))

    def stop_waiting(self, at: datetime) -> None:
        if self.waiting_since is not None:
            self.waited += (at - self.waiting_since).total_seconds()
            self.waiting_since = None

    def stop_talking(self, at: datetime) -> None:
        if self.talking_since is not None:
            self.talked += (at - self.talking_since).total_seconds()
            self.talking_since = None


def account(events: Iterable[Event]) -> Insight:
    """The account of one call from its events in order, finished or not. Unknown kinds are passed over.

    ``seconds`` runs from the INVITE to the last event of the call itself, ``waited`` is the time in queues, ``talked``
    the time joined with an agent or a dialled party.
    """
    total = _Sum()
    call_id = ""
    for event in events:
        call_id = call_id or event.call_id or ""
        total.began = total.began or event.at
        if not event.kind.startswith("recording."):  # sealed after the call
            total.latest = event.at
        if (take := _TAKES.get(event.kind)) is not None:
            take(total, event)
        if total.ended_by:
            break
    if total.began is None or total.latest is None:
        return Insight(call_id, 0.0)
    total.stop_waiting(total.latest)
    total.stop_talking(total.latest)
    return Insight(
        call_id=call_id,
        seconds=(total.latest - total.began).total_seconds(),
        intents=tuple(dict.fromkeys(total.intents)),
        queue=total.queue,
        agent=total.agent,
        waited=total.waited,
        talked=total.talked,
        solved=total.solved,
        ended_by=total.ended_by,
        turns=tuple(total.turns),
    )


def _said(total: _Sum, event: Event) -> None:
    total.spoken("hotline", event.details.get("text"))


def _heard(total: _Sum, event: Event) -> None:
    total.spoken("caller", event.details.get("text") or event.details.get("syllables") or event.details.get("digits"))


def _pressed(total: _Sum, event: Event) -> None:
    total.spoken("caller", event.details.get("key"))


def _meant(total: _Sum, event: Event) -> None:
    total.intents.append(str(event.details.get("intent", "")))


def _entered(total: _Sum, event: Event) -> None:
    total.queue = str(event.details.get("queue", ""))
    total.waiting_since = total.waiting_since or event.at


def _answered(total: _Sum, event: Event) -> None:
    total.agent = event.agent or total.agent
    total.stop_waiting(event.at)


def _bridged(total: _Sum, event: Event) -> None:
    total.agent = event.agent or total.agent
    total.stop_waiting(event.at)
    total.talking_since = total.talking_since or event.at


def _parted(total: _Sum, event: Event) -> None:
    total.stop_talking(event.at)


def _left(total: _Sum, event: Event) -> None:
    total.stop_waiting(event.at)


def _flowed(total: _Sum, event: Event) -> None:
    total.solved = total.solved or bool(event.details.get("solved"))


def _ended(total: _Sum, event: Event) -> None:
    total.ended_by = str(event.details.get("by") or "unknown")


_TAKES: Mapping[str, Callable[[_Sum, Event], None]] = {
    "prompt.ended": _said,
    "prompt.played": _said,
    "queue.position": _said,
    "caller.heard": _heard,
    "caller.pressed": _pressed,
    "digit.pressed": _pressed,
    "intent.matched": _meant,
    "intent.understood": _meant,
    "queue.entered": _entered,
    "queue.answered": _answered,
    "queue.left": _left,
    "call.bridged": _bridged,
    "leg.ended": _parted,
    "flow.finished": _flowed,
    "call.ended": _ended,
}
"""What each kind of event adds to the account."""
