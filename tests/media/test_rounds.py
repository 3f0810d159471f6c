"""How often the media thread looks for packets: soon while it has time, seldom when its time runs out."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from media._core import Rounds

MS = 1_000_000
BY_ITSELF, A_PACKET = 12_000, 7_000
"""What a round costs, and each packet in it, in nanoseconds."""


class Thread:
    """A media thread that gets a packet each ``1 / rate`` seconds, on a clock of its own."""

    def __init__(self) -> None:
        self.rounds = Rounds()
        self.now = self.woke = 1_000 * MS
        self.waiting = 0.0

    def work(self, rate: float, seconds: float) -> list[int]:
        """From waking up to waking up, for each round."""
        until, lengths = self.now + round(seconds * 1e9), []
        while self.now < until:
            rest = self.rounds.rest(self.woke, self.now)
            first = self.now + round(max(0.0, 1 - self.waiting) * 1e9 / rate)
            woke = max(first, rest or 0)
            self.waiting += (woke - self.woke) * rate / 1e9
            lengths.append(woke - self.woke)
            self.woke = woke
            self.now = woke + BY_ITSELF + int(self.waiting) * A_PACKET
            self.waiting -= int(self.waiting)
        return lengths


def test_who_comes_alone_does_not_wait() -> None:
    thread, rounds = Thread(), Rounds()
    assert all(length >= 19 * MS for length in thread.work(rate=50, seconds=1))
    assert rounds.rest(20 * MS, 20 * MS + A_PACKET) is None


def test_with_time_to_spare_rounds_are_short() -> None:
    thread = Thread()
    lengths = thread.work(rate=40_000, seconds=1)
    assert set(lengths[2:]) <= set(range(Rounds.shortest, Rounds.shortest + 30_000))


def test_when_time_runs_out_rounds_grow_and_all_packets_are_carried() -> None:
    thread = Thread()
    lengths = thread.work(rate=115_000, seconds=2)  # 0.8 of the time for packets: rounds of 150 us would take 0.08 more
    settled = lengths[len(lengths) // 2:]
    assert all(3 * Rounds.shortest < length <= Rounds.longest for length in settled)
    assert max(settled) - min(settled) < Rounds.shortest  # they do not swing


def test_rounds_are_short_again_when_the_rush_is_over() -> None:
    thread = Thread()
    thread.work(rate=115_000, seconds=1)
    assert max(thread.work(rate=40_000, seconds=1)[-1000:]) < Rounds.shortest + 30_000


def test_where_there_is_too_much_to_do_a_twentieth_of_the_time_is_left_to_others() -> None:
    rounds, woke, worked = Rounds(), 1_000 * MS, 30 * MS
    rounds.rest(woke, woke + worked)
    for _ in range(200):
        rest = rounds.rest(woke, woke + worked)
        assert rest is not None
        assert worked <= 0.951 * (rest - woke)
        woke = rest


@settings(max_examples=50)
@given(st.lists(st.tuples(st.floats(50, 130_000), st.floats(0.01, 0.2)), min_size=1, max_size=6))
def test_nobody_waits_longer_than_the_longest_round(rushes: list[tuple[float, float]]) -> None:
    thread = Thread()
    for rate, seconds in rushes:
        thread.work(rate, seconds)
        rest = thread.rounds.rest(thread.woke, thread.now)
        worked = thread.now - thread.woke
        assert rest is None or thread.now < rest <= thread.woke + max(Rounds.longest, worked * 20 // 19)


def test_a_process_that_was_stopped_goes_on_at_once() -> None:
    woke, done = 1_000 * MS, 61_000 * MS
    assert (Rounds().rest(woke, done) or done) <= done + Rounds.longest
    rounds = Rounds()
    rounds.rest(woke - MS, woke - MS + A_PACKET)
    assert (rounds.rest(woke, done) or done) <= done + Rounds.longest


def test_a_clock_that_stands_still_is_no_division_by_zero() -> None:
    assert Rounds().rest(0, 0) == Rounds.shortest
