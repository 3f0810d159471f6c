"""Who gets whom: a pure function from (now, waiting, agents, rules) to offers with reasons.

Order of callers: each step of priority is worth ``head_start`` seconds of waiting. So the order of two callers
never changes while they wait, and a caller of the lowest tier is overtaken only by those who came less than
(highest priority × head start) later: nobody starves. Order of agents: longest idle first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from calls.errors import ConfigError
from routing.agents import Agent
from routing.queues import Queue


@dataclass(frozen=True, slots=True)
class Rules:
    """How callers and agents are brought together; given to ``Router``, none of it is in the settings file. All
    durations are seconds. Raises ConfigError where one is not possible."""

    tiers: Mapping[str, int] = field(
        default_factory=lambda: MappingProxyType({"T2": 1, "T3": 2, "T4": 3, "APASS": 4}))
    """Priority of a membership tier; 0 for those not named."""
    head_start: float = 60.0
    """What one step of priority is worth in waiting time."""
    again_after: float = 10.0
    """An agent who refused a call is not offered it for this long, even when nobody else is free."""
    cool_down: float = 60.0
    """…and for this long only when nobody else is free."""
    missed_pause: float = 60.0
    """An agent who did not answer is paused for this long, so that no second caller suffers."""
    unreachable_for: float = 60.0
    """A phone that could not be reached is tried again after this long, or when it registers."""

    def __post_init__(self) -> None:
        for name in ("head_start", "again_after", "missed_pause", "unreachable_for"):
            if not 0 < getattr(self, name) <= 86_400:
                raise ConfigError(f"routing rules: {name}", f"{getattr(self, name)!r} is not possible",
                                  "give seconds above 0, at most 86400")
        if self.cool_down < self.again_after:
            raise ConfigError("routing rules: cool_down", f"{self.cool_down} is shorter than again_after",
                              f"give at least {self.again_after}")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A caller who needs an agent. ``since`` is Unix time; ``refusals`` maps an agent to the time of the refusal."""

    call_id: str
    queue: Queue
    since: float
    priority: int = 0
    head: bool = False
    """Was already talking and lost the agent: before everybody else."""
    refusals: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An idle agent. ``rests_until``: the phone said busy, so nothing is offered before this time."""

    agent: Agent
    idle_since: float
    rests_until: float = 0.0


@dataclass(frozen=True, slots=True)
class Offer:
    """Ring this agent for this call; ``reasons`` are for people to read."""

    call_id: str
    agent: Agent
    reasons: tuple[str, ...]


Rank = tuple[bool, float, str]


def rank(waiting: Waiting, rules: Rules) -> Rank:
    """The place of a caller among the others: smaller is earlier. It does not change with time."""
    return not waiting.head, waiting.since - rules.head_start * waiting.priority, waiting.call_id


def serves(agent: Agent, queue: Queue) -> bool:
    """Whether the agent may take calls of the queue."""
    if queue.phones:
        return agent.phone in queue.phones
    return not agent.fixed and all(agent.skills.get(skill, 0) >= queue.min_proficiency for skill in queue.skills)


def choose(now: float, waiting: Iterable[Waiting], agents: Iterable[Candidate], rules: Rules) -> list[Offer]:
    """Every offer that can be made at ``now``: each caller and each agent at most once."""
    free = [candidate for candidate in agents if candidate.rests_until <= now]
    if not free:
        return []
    offers = []
    for caller in sorted(waiting, key=lambda caller: rank(caller, rules)):
        best = _best(now, caller, free, rules)
        if best is None:
            continue
        offers.append(Offer(caller.call_id, best.agent, _reasons(now, caller, best)))
        free.remove(best)
        if not free:
            break
    return offers


def next_change(now: float, waiting: Iterable[Waiting], agents: Sequence[Candidate], rules: Rules) -> float | None:
    """When ``choose`` may answer otherwise although nothing happened: a cool-down or a rest runs out."""
    idle = {candidate.agent.id for candidate in agents}
    times = [candidate.rests_until for candidate in agents]
    for caller in waiting:
        for agent, refused in caller.refusals.items():
            if agent in idle:
                times += (refused + rules.again_after, refused + rules.cool_down)
    return min((time for time in times if time > now), default=None)


def _best(now: float, caller: Waiting, free: Sequence[Candidate], rules: Rules) -> Candidate | None:
    skilled = [candidate for candidate in free if serves(candidate.agent, caller.queue)]
    fresh = [one for one in skilled if _refused(caller, one) + rules.cool_down <= now]
    if fresh:
        return min(fresh, key=lambda one: (one.idle_since, -_proficiency(one.agent, caller.queue), one.agent.id))
    again = [one for one in skilled if _refused(caller, one) + rules.again_after <= now]
    return min(again, key=lambda one: (_refused(caller, one), one.agent.id), default=None)


def _refused(caller: Waiting, candidate: Candidate) -> float:
    return caller.refusals.get(candidate.agent.id, float("-inf"))


def _proficiency(agent: Agent, queue: Queue) -> int:
    return min((agent.skills.get(skill, 0) for skill in queue.skills), default=0)


def _reasons(now: float, caller: Waiting, candidate: Candidate) -> tuple[str, ...]:
    reasons = [f"来电已等待 {now - caller.since:.0f} 秒"]
    if caller.head:
        reasons.append("通话中断，回到队首")
    if caller.priority:
        reasons.append(f"会员优先级 {caller.priority}")
    if caller.queue.phones:
        reasons.append("固定话机")
    elif caller.queue.skills:
        skills = "、".join(f"{skill}（{candidate.agent.skills[skill]} 级）" for skill in caller.queue.skills)
        reasons.append(f"具备技能 {skills}")
    reasons.append(f"空闲最久：{now - candidate.idle_since:.0f} 秒")
    if candidate.agent.id in caller.refusals:
        reasons.append("曾未接此来电，暂无其他坐席")
    return tuple(reasons)
