"""One call as a ladder diagram in text: lifelines of caller, hotline and agent, time running downward.

          ms  caller                            hotline                           agent
           0  │──────────── INVITE 4001 ────────────▶│                                │
"""

from __future__ import annotations

from collections.abc import Sequence

from calls import Event
from insight.cells import cells, pad, wrap
from insight.words import Party, Step, tell

_GAP = 40
"""Cells between two lifelines."""
_LABEL = _GAP - 8
_TIME = 8


def ladder(events: Sequence[Event]) -> str:
    """The call of these events (all of one call, in order). Times are milliseconds since the first event, the INVITE.

    Raises ValueError when there are no events.
    """
    if not events:
        raise ValueError("a ladder needs at least one event")
    began = events[0].at
    lines = [_head(), _row("", ["", ""])]
    for event in events:
        milliseconds = round((event.at - began).total_seconds() * 1000)
        lines += _rungs(f"{milliseconds}", tell(event))
    title = f"{events[0].call_id or ''}  {began.isoformat(sep=' ', timespec='milliseconds')}".strip()
    return "\n".join([title, "", *(line.rstrip() for line in lines)])


def _rungs(time: str, step: Step) -> list[str]:
    """One event: its arrow or note, and below it what did not fit beside it."""
    if {step.source, step.target} == {Party.CALLER, Party.AGENT}:
        return [f"{time:>{_TIME}}  │{_both_ways(step.text)}│"]
    note = step.source is step.target
    first, *more = wrap(step.text, _GAP - 2 if note else _LABEL)
    gap = int(note or Party.AGENT in (step.source, step.target))  # notes stand to the right of the hotline's lifeline
    drawn = f" {first}" if note else _arrow(first, rightward=step.target > step.source)
    return [_row(time, _in_gap(gap, drawn)), *(_row("", _in_gap(gap, _indented(text, note))) for text in more)]


def _arrow(text: str, *, rightward: bool) -> str:
    dashes = _GAP - cells(text) - 3
    left, right = "─" * (dashes // 2), "─" * (dashes - dashes // 2)
    return f"{left} {text} {right}▶" if rightward else f"◀{left} {text} {right}"


def _both_ways(text: str) -> str:
    """Across both gaps: the two parties hear each other."""
    dashes = 2 * _GAP + 1 - cells(text) - 4
    return f"◀{'═' * (dashes // 2)} {text} {'═' * (dashes - dashes // 2)}▶"


def _indented(text: str, note: bool) -> str:
    return f" {text}" if note else f"    {text}"


def _in_gap(gap: int, drawn: str) -> list[str]:
    return [drawn, ""] if gap == 0 else ["", drawn]


def _row(time: str, gaps: Sequence[str]) -> str:
    return f"{time:>{_TIME}}  │" + "│".join(pad(gap, _GAP) for gap in gaps) + "│"


def _head() -> str:
    names = "".join(pad(party.name.lower(), _GAP + 1) for party in Party)
    return f"{'ms':>{_TIME}}  {names}"
