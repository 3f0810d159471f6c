"""The heap of timers: in order, once, and without what was stopped."""

from __future__ import annotations

import pytest

from telephony.sip.config import EndpointConfig
from telephony.sip.timers import Timers


def test_timers_fire_in_order_and_once() -> None:
    timers, rung = Timers(), []
    for at in (3.0, 1.0, 2.0, 2.0):
        timers.start(at, lambda what, now: rung.append((what, now)), f"at {at}")
    assert timers.deadline() == 1.0
    timers.fire(0.5)
    assert rung == []
    timers.fire(2.5)
    assert rung == [("at 1.0", 2.5), ("at 2.0", 2.5), ("at 2.0", 2.5)]
    timers.fire(9.0)
    assert rung[3:] == [("at 3.0", 9.0)]
    assert (timers.deadline(), len(timers)) == (None, 0)


def test_a_stopped_timer_is_silent_and_soon_gone() -> None:
    timers, rung = Timers(), []
    started = [timers.start(float(at), lambda what, now: rung.append(what), "stopped") for at in range(1000)]
    for timer in started:
        timers.stop(timer)
        timers.stop(timer)  # a second time is no harm
    timers.stop(None)
    assert len(timers) == 0
    assert len(timers._heap) <= 200  # memory follows what runs, not what once ran
    timers.fire(2000.0)
    assert (timers.deadline(), rung) == (None, [])


def test_a_timer_may_start_and_stop_others_while_it_fires() -> None:
    timers, rung = Timers(), []
    other = timers.start(2.0, lambda what, now: rung.append(what), "other")

    def ring(what: str, now: float) -> None:
        rung.append(what)
        timers.stop(other)
        timers.start(now, lambda late, _now: rung.append(late), "new")

    timers.start(1.0, ring, "first")
    timers.fire(5.0)
    assert rung == ["first", "new"]


@pytest.mark.parametrize("wrong", [{"t1": 0.0}, {"t1": 5.0}, {"port": 0}, {"port": 65536}])
def test_settings_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        EndpointConfig(host="127.0.0.1", **wrong)  # type: ignore[arg-type]
