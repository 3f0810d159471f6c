"""What a flow decided, and whom the router then chose."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ToQueue:
    """Bring the caller to an agent. The flow goes on at ``overflow`` when nobody came in ``max_wait`` seconds."""

    step: str
    queue: str
    intent: str = ""
    max_wait: float | None = None
    overflow: str | None = None


@dataclass(frozen=True, slots=True)
class Dial:
    """Bridge the caller to ``target``: a SIP URI or an outside number. ``failed`` is where the flow goes on if not."""

    step: str
    target: str
    answer_within: float = 30.0
    failed: str | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """The flow is done; ``solved`` says whether a self-service step helped."""

    step: str
    solved: bool = False


Outcome = ToQueue | Dial | Finished


@dataclass(frozen=True, slots=True)
class Assignment:
    """One offer of a waiting call to an agent, with the reasons that the policy gave."""

    call_id: str
    queue: str
    agent: str
    target: str
    """What ``Exchange.ring`` is given: the agent's phone."""
    reasons: tuple[str, ...] = ()
