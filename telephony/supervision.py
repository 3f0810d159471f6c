"""Who hears whom, for every way of being in a call: one table, and nothing but the table.

A row is (listener, source, gain) in terms of the three roles. ``Exchange.joined`` writes the rows of ``TALK`` and
``HOLD`` into the media core's gains table; a supervisor's modes are the same table with a third party.
"""

from __future__ import annotations

from enum import StrEnum

from media.engine import Node


class Mode(StrEnum):
    """What the parties of a call are doing."""

    TALK = "talk"
    """Caller and agent hear each other."""
    HOLD = "hold"
    """Neither hears the other; music is a player's row, set by whoever plays it."""
    MONITOR = "monitor"
    """The supervisor hears both and is heard by nobody."""
    COACH = "coach"
    """As monitor, and the agent alone hears the supervisor (whisper)."""
    BARGE = "barge"
    """All three hear one another."""
    TAKE_OVER = "take_over"
    """The supervisor has the caller; the agent hears nothing and is heard by nobody."""


CALLER, AGENT, SUPERVISOR = "caller", "agent", "supervisor"

_TALK = [(CALLER, AGENT, 1.0), (AGENT, CALLER, 1.0)]
_LISTEN = [(SUPERVISOR, CALLER, 1.0), (SUPERVISOR, AGENT, 1.0)]

TABLE: dict[Mode, list[tuple[str, str, float]]] = {
    Mode.TALK: _TALK,
    Mode.HOLD: [],
    Mode.MONITOR: [*_TALK, *_LISTEN],
    Mode.COACH: [*_TALK, *_LISTEN, (AGENT, SUPERVISOR, 1.0)],
    Mode.BARGE: [*_TALK, *_LISTEN, (AGENT, SUPERVISOR, 1.0), (CALLER, SUPERVISOR, 1.0)],
    Mode.TAKE_OVER: [(CALLER, SUPERVISOR, 1.0), (SUPERVISOR, CALLER, 1.0)],
}


def gains(mode: Mode, caller: Node, agent: Node, supervisor: Node | None = None) -> dict[tuple[Node, Node], float]:
    """The cells (listener, source) → gain for ``mode``; every cell that is not named is 0.

    Raises ValueError when a mode with a supervisor is asked for without one.
    """
    nodes = {CALLER: caller, AGENT: agent, SUPERVISOR: supervisor}
    cells: dict[tuple[Node, Node], float] = {}
    for listener, source, gain in TABLE[mode]:
        hearing, sounding = nodes[listener], nodes[source]
        if hearing is None or sounding is None:
            raise ValueError(f"{mode} needs a supervisor")
        cells[hearing, sounding] = gain
    return cells
