"""The table of gains, mode by mode, as a human would say it."""

from __future__ import annotations

import pytest

from media.engine import Node
from telephony.supervision import Mode, gains

CALLER, AGENT, SUPERVISOR = Node(1), Node(2), Node(3)
NAMES = {CALLER: "caller", AGENT: "agent", SUPERVISOR: "supervisor"}

HEARS = {
    Mode.TALK: {"caller": {"agent"}, "agent": {"caller"}, "supervisor": set()},
    Mode.HOLD: {"caller": set(), "agent": set(), "supervisor": set()},
    Mode.MONITOR: {"caller": {"agent"}, "agent": {"caller"}, "supervisor": {"caller", "agent"}},
    Mode.COACH: {"caller": {"agent"}, "agent": {"caller", "supervisor"}, "supervisor": {"caller", "agent"}},
    Mode.BARGE: {
        "caller": {"agent", "supervisor"},
        "agent": {"caller", "supervisor"},
        "supervisor": {"caller", "agent"},
    },
    Mode.TAKE_OVER: {"caller": {"supervisor"}, "agent": set(), "supervisor": {"caller"}},
}


@pytest.mark.parametrize("mode", list(Mode))
def test_who_hears_whom(mode: Mode) -> None:
    heard: dict[str, set[str]] = {name: set() for name in NAMES.values()}
    for (listener, source), gain in gains(mode, CALLER, AGENT, SUPERVISOR).items():
        assert gain == 1.0
        heard[NAMES[listener]].add(NAMES[source])
    assert heard == HEARS[mode]


@pytest.mark.parametrize("mode", [Mode.MONITOR, Mode.COACH])
def test_the_caller_never_hears_a_supervisor_who_listens(mode: Mode) -> None:
    assert (CALLER, SUPERVISOR) not in gains(mode, CALLER, AGENT, SUPERVISOR)


def test_a_mode_with_a_supervisor_needs_one() -> None:
    with pytest.raises(ValueError, match="needs a supervisor"):
        gains(Mode.BARGE, CALLER, AGENT)
