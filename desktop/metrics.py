"""Numbers in the text form that Prometheus reads (exposition format 0.0.4)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_OF_A_QUEUE = ("waiting", "longest_wait", "talking", "idle_agents", "offered", "answered", "abandoned", "overflowed")
"""Gauges all, for today's counts fall to 0 at midnight."""
_UNFIT = re.compile(r"[^a-zA-Z0-9_]")


def exposition(snapshot: Mapping[str, object], gauges: Mapping[str, float]) -> str:
    """All metrics: those of the board, then ``gauges`` (name → value), each name with ``hotline_`` before it."""
    lines = [*_board(snapshot)]
    for name, value in sorted(gauges.items()):
        lines += _metric(f"hotline_{_UNFIT.sub('_', name)}", "untyped", [({}, value)])
    return "\n".join(lines) + "\n"


def _board(snapshot: Mapping[str, object]) -> Iterator[str]:
    calls, queues, agents = (cast("list[dict[str, object]]", snapshot[key]) for key in ("calls", "queues", "agents"))
    yield from _metric("hotline_calls_in_progress", "gauge", [({}, len(calls))])
    for name in _OF_A_QUEUE:
        values = [({"queue": str(queue["name"])}, cast("float", queue[name])) for queue in queues]
        yield from _metric(f"hotline_queue_{name}", "gauge", values)
    states = Counter(str(agent["state"]) for agent in agents)
    by_state = [({"state": state}, count) for state, count in sorted(states.items())]
    yield from _metric("hotline_agents", "gauge", by_state)


def _metric(name: str, kind: str, values: Sequence[tuple[Mapping[str, str], float]]) -> Iterator[str]:
    yield f"# TYPE {name} {kind}"
    for labels, value in values:
        inside = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        yield f"{name}{{{inside}}} {value}" if inside else f"{name} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
