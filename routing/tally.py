"""What happened today in a queue, and how an agent spent the day. A day begins at midnight in Shanghai."""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace

from routing.agents import State
from routing.queues import Queue

SHANGHAI = 8 * 3600
"""UTC+8 without summer time since 1992, so a day's number needs no time zone table."""


@dataclass(slots=True)
class Tally:
    """Counts of one queue on one day."""

    day: int = 0
    offered: int = 0
    answers: int = 0
    in_time: int = 0
    """Answered within the queue's ``target_seconds``."""
    abandoned: int = 0
    """The caller hung up before an agent answered."""
    overflowed: int = 0
    """Nobody answered within the queue's ``max_wait``, or the flow took the caller out of the queue."""
    waited: float = 0.0
    """Seconds that the answered callers waited, in all."""

    def answered(self, waited: float, queue: Queue) -> None:
        self.answers += 1
        self.waited += waited
        self.in_time += waited <= queue.target_seconds

    def left(self, why: str) -> None:
        if why == "abandoned":
            self.abandoned += 1
        else:
            self.overflowed += 1

    def plus(self, later: Tally) -> Tally:
        """Both together, or ``later`` alone when it is another day's and not empty."""
        if self.day != later.day:
            return later if later.offered else self
        return Tally(self.day, *(mine + its for mine, its in zip(astuple(self)[1:], astuple(later)[1:], strict=True)))

    @property
    def service_level(self) -> float | None:
        """Answered in time as a share of all who were answered or gave up; None before the first."""
        done = self.answers + self.abandoned + self.overflowed
        return self.in_time / done if done else None


_OCCUPIED = frozenset({State.RINGING, State.TALKING, State.WRAP_UP})
"""Work, whoever began the call: a queue, a colleague, or the agent."""


@dataclass(slots=True)
class Worked:
    """An agent's seconds of one day. Breaks and absences are neither."""

    counted_to: float
    """Unix time up to which is counted."""
    occupied: float = 0.0
    idle: float = 0.0

    def passes(self, state: State, at: float) -> None:
        """The agent has been in ``state`` since what is counted, until Unix time ``at``."""
        if day_of(self.counted_to) != day_of(at):
            self.counted_to = day_of(at) * 86_400.0 - SHANGHAI
            self.occupied = self.idle = 0.0
        seconds = max(0.0, at - self.counted_to)
        if state in _OCCUPIED:
            self.occupied += seconds
        elif state is State.IDLE:
            self.idle += seconds
        self.counted_to = at

    def occupancy(self, state: State, now: float) -> float | None:
        """The share of the working time, breaks left out, that was work, 0…1; ``state`` is that of now. None before
        there was any."""
        today = replace(self)
        today.passes(state, now)
        return today.occupied / (today.occupied + today.idle) if today.occupied + today.idle else None


def day_of(at: float) -> int:
    """The number of the Shanghai day of a Unix time."""
    return int((at + SHANGHAI) // 86_400)
