"""Draws the state machines: ``python -m telephony.sip.diagram > docs/sip-state-machines.md``."""

from __future__ import annotations

from collections import defaultdict

from telephony.sip.tables import ABSORBING, REPEATING, TABLES, Event, State, Table

_HEAD = """# The transaction machines

Drawn from `telephony/sip/tables.py` by `python -m telephony.sip.diagram`; a test holds the two together.
RFC 3261 section 17 with the corrections of RFC 6026. What has no arrow is ignored. Over TCP, TLS and
WebSocket {repeating} are not started, and {absorbing} are zero.
"""


def diagram(table: Table) -> str:
    """One table as a Mermaid state diagram; events that lead the same way share an arrow."""
    arrows: dict[tuple[State, State, str], list[Event]] = defaultdict(list)
    for (state, event), (after, actions) in table.items():
        arrows[state, after, "; ".join(action.value for action in actions)].append(event)
    lines = ["stateDiagram-v2"]
    for (state, after, deeds), events in arrows.items():
        start = "[*]" if state is State.NEW else state.value
        end = "[*]" if after is State.TERMINATED else after.value
        cause = " or ".join(event.value for event in events)
        lines.append(f"    {start} --> {end}: {cause}" + (f" / {deeds}" if deeds else ""))
    return "\n".join(line.replace(";", ",") for line in lines)  # a semicolon would end a Mermaid statement


def _list(timers: frozenset[Event]) -> str:
    *most, last = sorted(timers)
    return f"{', '.join(most)} and {last}"


def page() -> str:
    """The whole page."""
    parts = [_HEAD.format(repeating=_list(REPEATING), absorbing=_list(ABSORBING))]
    parts += [f"## {name}\n\n```mermaid\n{diagram(table)}\n```\n" for name, table in TABLES.items()]
    return "\n".join(parts)


if __name__ == "__main__":
    print(page(), end="")
