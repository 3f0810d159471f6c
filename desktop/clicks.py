"""What became of calls that somebody asked for at the desktop, for whoever clicked: folded from events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from calls import Event

DESKTOP = "desktop"
"""The trunk of a call that nobody's telephone began."""


class Stage(StrEnum):
    """Where such a call stands."""

    PHONE = "phone"
    """The agent's own phone rings."""
    DIALLING = "dialling"
    """The agent has answered, whom the agent wants has not."""
    TALKING = "talking"
    FAILED = "failed"
    OVER = "over"


@dataclass(slots=True)
class Click:
    """One call. ``agent`` is the user of the phone that rings; ``since`` is the Unix time of the stage."""

    id: str
    agent: str
    since: float
    stage: Stage = Stage.PHONE
    failed_at: Stage | None = None
    """What it failed at: PHONE, the agent's own phone, or DIALLING, the called party."""
    status: int = 0
    """The SIP status that says why."""


class Clicks:
    """Fed with every event by ``note``; holds the latest click of each agent."""

    def __init__(self) -> None:
        self._latest: dict[str, Click] = {}

    def all(self) -> list[Click]:
        """One an agent, in the order of their first."""
        return list(self._latest.values())

    def note(self, event: Event) -> bool:
        """Fold one event; whether it changed anything."""
        if event.kind == "call.invited" and event.call_id and event.details.get("trunk") == DESKTOP:
            agent = str(event.details["by"])
            self._latest[agent] = Click(event.call_id, agent, event.at.timestamp())
            return True
        click = next((click for click in self._latest.values() if click.id == event.call_id), None)
        advance = _ADVANCES.get(event.kind)
        if click is None or advance is None or click.stage in (Stage.FAILED, Stage.OVER):
            return False
        advance(click, event)
        click.since = event.at.timestamp()
        return True


def _answered(click: Click, event: Event) -> None:
    click.stage = Stage.DIALLING


def _bridged(click: Click, event: Event) -> None:
    click.stage = Stage.TALKING


def _failed(click: Click, event: Event) -> None:
    click.failed_at, click.stage = click.stage, Stage.FAILED
    click.status = int(str(event.details["status"]))


def _ended(click: Click, event: Event) -> None:
    click.stage = Stage.OVER


_ADVANCES: Mapping[str, Callable[[Click, Event], None]] = {
    "agent.answered": _answered, "call.bridged": _bridged, "call.not_answered": _failed, "call.ended": _ended,
}
