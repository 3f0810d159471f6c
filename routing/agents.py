"""Who answers calls, and the states that an agent passes through, as a table that can be read aloud."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from calls.errors import ConfigError, HotlineError


@dataclass(frozen=True, slots=True)
class Agent:
    """A person with a phone. ``skills`` maps a skill to its proficiency, 1 (learning) to 5 (expert)."""

    id: str
    name: str
    phone: str
    """The user name under which the agent's phone registers, or a SIP URI for a fixed phone."""
    skills: Mapping[str, int] = field(default_factory=dict)
    fixed: bool = False
    """A phone without a person's working day: always available, see ``Queue.phones``."""

    def __post_init__(self) -> None:
        where = f"agent {self.id}"
        if not self.id or not self.phone:
            raise ConfigError(where, "an agent needs an id and a phone", "give both, such as 1001")
        for skill, proficiency in self.skills.items():
            if not 1 <= proficiency <= 5:
                raise ConfigError(f"{where}: skill {skill}", f"proficiency {proficiency} is not possible",
                                  "give 1 (learning) to 5 (expert)")
        object.__setattr__(self, "skills", MappingProxyType(dict(self.skills)))


class State(StrEnum):
    """What an agent is doing."""

    OFFLINE = "offline"
    """Signed out, or the phone cannot be reached."""
    IDLE = "idle"
    """Waiting for a call."""
    RINGING = "ringing"
    TALKING = "talking"
    WRAP_UP = "wrap_up"
    """Writing notes after a talk."""
    PAUSED = "paused"
    """On a break, or did not answer."""


class Signal(StrEnum):
    """What can happen to an agent."""

    CAME = "came"
    LEFT = "left"
    OFFERED = "offered"
    ANSWERED = "answered"
    WITHDRAWN = "withdrawn"
    DECLINED = "declined"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    UNREACHABLE = "unreachable"
    HUNG_UP = "hung_up"
    READY = "ready"
    BREAK = "break"
    DIALLED = "dialled"
    """Makes a call of its own."""


TRANSITIONS: Mapping[tuple[State, Signal], State] = MappingProxyType({
    (State.OFFLINE, Signal.CAME): State.IDLE,
    (State.IDLE, Signal.LEFT): State.OFFLINE,
    (State.WRAP_UP, Signal.LEFT): State.OFFLINE,
    (State.PAUSED, Signal.LEFT): State.OFFLINE,

    (State.IDLE, Signal.OFFERED): State.RINGING,
    (State.RINGING, Signal.ANSWERED): State.TALKING,
    (State.RINGING, Signal.WITHDRAWN): State.IDLE,
    (State.RINGING, Signal.DECLINED): State.IDLE,
    (State.RINGING, Signal.BUSY): State.IDLE,
    (State.RINGING, Signal.NO_ANSWER): State.PAUSED,
    (State.RINGING, Signal.UNREACHABLE): State.OFFLINE,

    (State.TALKING, Signal.HUNG_UP): State.WRAP_UP,
    (State.WRAP_UP, Signal.READY): State.IDLE,

    (State.IDLE, Signal.BREAK): State.PAUSED,
    (State.PAUSED, Signal.BREAK): State.PAUSED,
    (State.PAUSED, Signal.READY): State.IDLE,

    (State.IDLE, Signal.DIALLED): State.TALKING,
    (State.WRAP_UP, Signal.DIALLED): State.TALKING,
    (State.PAUSED, Signal.DIALLED): State.TALKING,
})


class ImpossibleTransition(HotlineError):
    """A signal that the state has no row for."""


def step(state: State, signal: Signal) -> State:
    """The state after ``signal``. Raises ImpossibleTransition when the table has no such row."""
    try:
        return TRANSITIONS[state, signal]
    except KeyError:
        raise ImpossibleTransition(f"an agent who is {state} cannot be {signal}") from None


REFUSALS: Mapping[int, Signal] = MappingProxyType({
    408: Signal.NO_ANSWER,      # RFC 3261 section 21.4.9; calls.Exchange gives it when nobody answered in time
    404: Signal.UNREACHABLE,    # section 21.4.5: no such user there
    410: Signal.UNREACHABLE,    # section 21.4.11: gone, no forwarding address
    486: Signal.BUSY,           # section 21.4.24
    502: Signal.UNREACHABLE,    # section 21.5.3
    503: Signal.UNREACHABLE,    # section 21.5.4: also a transport error (section 8.1.3.1)
    504: Signal.UNREACHABLE,    # section 21.5.5
    600: Signal.BUSY,           # section 21.6.1
})
"""What a final SIP status of a ringing leg says about the agent; every other status is a decline (480, 603 …)."""
