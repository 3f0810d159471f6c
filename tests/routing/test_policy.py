"""The policy alone: who goes first, who is asked, and that nobody starves."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calls.errors import ConfigError
from routing import Agent, Queue, Rules
from routing.policy import Candidate, Waiting, choose, next_change, rank, serves

RULES = Rules(head_start=60, again_after=10, cool_down=60)
SERVICE = Queue("service", skills=("service",))
REFUNDS = Queue("refunds", skills=("refunds", "service"), min_proficiency=3)
LINE = Queue("line", phones=("8001",))

times = st.floats(0, 10_000)
queues = st.sampled_from([SERVICE, REFUNDS, LINE])
skills = st.dictionaries(st.sampled_from(["service", "refunds"]), st.integers(1, 5))


@st.composite
def scenes(draw: st.DrawFn) -> tuple[float, list[Waiting], list[Candidate]]:
    """Up to eight callers and six agents at some moment, with refusals between them."""
    now = 10_000.0
    people = [Agent(f"{1001 + n}", "坐席", f"{1001 + n}", draw(skills)) for n in range(draw(st.integers(0, 5)))]
    people += [Agent("8001", "8001", "8001", fixed=True)]
    agents = [Candidate(agent, draw(times), draw(st.sampled_from([0.0, now + 5]))) for agent in people]
    refusals = st.dictionaries(st.sampled_from([agent.id for agent in people]), st.floats(now - 100, now))
    waiting = [Waiting(f"call-{n}", draw(queues), draw(times), draw(st.integers(0, 4)), draw(st.booleans()),
                       draw(refusals)) for n in range(draw(st.integers(0, 8)))]
    return now, waiting, agents


@given(scenes())
def test_each_caller_and_each_agent_is_offered_once_and_only_to_who_can_serve(
        scene: tuple[float, list[Waiting], list[Candidate]]) -> None:
    now, waiting, agents = scene
    offers = choose(now, waiting, agents, RULES)
    callers, free = {caller.call_id: caller for caller in waiting}, {one.agent.id: one for one in agents}
    assert len({offer.call_id for offer in offers}) == len({offer.agent.id for offer in offers}) == len(offers)
    for offer in offers:
        caller = callers[offer.call_id]
        assert serves(offer.agent, caller.queue)
        assert free[offer.agent.id].rests_until <= now
        assert caller.refusals.get(offer.agent.id, -1e9) + RULES.again_after <= now
        assert offer.reasons


@given(scenes())
def test_nobody_is_left_waiting_beside_an_agent_who_could_help(
        scene: tuple[float, list[Waiting], list[Candidate]]) -> None:
    now, waiting, agents = scene
    offers = choose(now, waiting, agents, RULES)
    left = [caller for caller in waiting if caller.call_id not in {offer.call_id for offer in offers}]
    free = [one for one in agents if one.agent.id not in {offer.agent.id for offer in offers}]
    assert choose(now, left, free, RULES) == []


@given(scenes())
def test_a_caller_is_passed_over_only_for_want_of_an_agent(
        scene: tuple[float, list[Waiting], list[Candidate]]) -> None:
    now, waiting, agents = scene
    alone = {caller.call_id for caller in waiting if choose(now, [caller], agents, RULES)}
    first = min((caller for caller in waiting if caller.call_id in alone),
                key=lambda caller: rank(caller, RULES), default=None)
    offers = choose(now, waiting, agents, RULES)
    assert (first is None) == (not offers)
    assert first is None or offers[0].call_id == first.call_id


@given(scenes(), st.floats(0.001, 200))
def test_between_now_and_the_next_change_nothing_changes(
        scene: tuple[float, list[Waiting], list[Candidate]], later: float) -> None:
    now, waiting, agents = scene
    change = next_change(now, waiting, agents, RULES)
    then = now + later
    if change is None or then < change:
        def bare(at: float) -> list[tuple[str, str]]:
            return [(offer.call_id, offer.agent.id) for offer in choose(at, waiting, agents, RULES)]
        assert bare(then) == bare(now)


@given(st.lists(st.tuples(times, st.integers(0, 4)), min_size=2, max_size=8), st.floats(0, 10_000))
def test_the_lowest_tier_never_starves(arrivals: list[tuple[float, int]], since: float) -> None:
    """Who comes later than the highest tier's head start never overtakes."""
    lowest = Waiting("lowest", SERVICE, since)
    for n, (at, priority) in enumerate(arrivals):
        other = Waiting(f"call-{n}", SERVICE, at, priority)
        if rank(other, RULES) < rank(lowest, RULES):
            assert at <= since + 4 * RULES.head_start


def test_the_agent_who_has_been_idle_longest_is_asked_and_among_equals_the_better() -> None:
    agents = [Candidate(Agent("1", "甲", "1", {"service": 5}), 50),
              Candidate(Agent("2", "乙", "2", {"service": 1}), 40),
              Candidate(Agent("3", "丙", "3", {"service": 2}), 40)]
    [offer] = choose(100, [Waiting("a", SERVICE, 80)], agents, RULES)
    assert offer.agent.id == "3"
    assert offer.reasons == ("来电已等待 20 秒", "具备技能 service（2 级）", "空闲最久：60 秒")


def test_who_lost_the_agent_goes_before_everybody() -> None:
    agents = [Candidate(Agent("1", "甲", "1", {"service": 3}), 0)]
    waiting = [Waiting("gold", SERVICE, 0, priority=4), Waiting("cut", SERVICE, 90, head=True)]
    [offer] = choose(100, waiting, agents, RULES)
    assert offer.call_id == "cut"
    assert "通话中断，回到队首" in offer.reasons


@pytest.mark.parametrize(("ago", "others", "asked"), [(9, 0, None), (11, 0, "1"), (59, 1, "2"), (61, 1, "1")])
def test_who_refused_cools_down(ago: float, others: int, asked: str | None) -> None:
    agents = [Candidate(Agent("1", "甲", "1", {"service": 3}), 0), Candidate(Agent("2", "乙", "2", {"service": 3}), 50)]
    caller = Waiting("a", SERVICE, 0, refusals={"1": 1000 - ago})
    offers = choose(1000, [caller], agents[:1 + others], RULES)
    assert [offer.agent.id for offer in offers] == ([asked] if asked else [])


def test_skills_are_required_at_the_queue_s_proficiency() -> None:
    agent = Agent("1", "甲", "1", {"service": 3, "refunds": 2})
    assert serves(agent, SERVICE)
    assert not serves(agent, REFUNDS)
    assert serves(replace(agent, skills={"service": 3, "refunds": 3}), REFUNDS)
    assert not serves(agent, LINE)
    assert not serves(Agent("8001", "8001", "8001", fixed=True), Queue("any"))


@pytest.mark.parametrize(("field", "value", "said"), [
    ("ring_seconds", 0, "[queues.q] ring_seconds: 0 is not possible; give seconds from 1 to 300"),
    ("max_wait", 0, "[queues.q] max_wait"),
    ("wrap_up_seconds", -1, "[queues.q] wrap_up_seconds"),
    ("announce_every", 2, "0 for never"),
    ("min_proficiency", 6, "a whole number from 1 to 5"),
    ("target_seconds", 0, "[queues.q] target_seconds"),
    ("skills", "service", "a list of skill names"),
    ("phones", ("8001", "8001"), "each phone once"),
])
def test_a_wrong_setting_is_named_with_what_would_be_right(field: str, value: object, said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        replace(Queue("q"), **{field: value})  # type: ignore[arg-type]


def test_fixed_phones_and_skills_exclude_each_other() -> None:
    with pytest.raises(ConfigError, match="either fixed phones or skills"):
        Queue("q", skills=("service",), phones=("8001",))
    with pytest.raises(ConfigError, match="queue name"):
        Queue(" q")


@pytest.mark.parametrize(("wrong", "told"), [
    (partial(Rules, head_start=0), "routing rules: head_start: 0 is not possible; give seconds above 0, at most 86400"),
    (partial(Rules, cool_down=1), "routing rules: cool_down: 1 is shorter than again_after; give at least 10.0"),
])
def test_wrong_rules_are_named_as_rules_for_they_are_no_settings(wrong: Callable[[], Rules], told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        wrong()
    assert str(refused.value) == told


def test_wrong_rules_and_agents_are_refused() -> None:
    with pytest.raises(ConfigError, match="cool_down"):
        Rules(cool_down=1, again_after=2)
    with pytest.raises(ConfigError, match="head_start"):
        Rules(head_start=0)
    with pytest.raises(ConfigError, match="proficiency 9"):
        Agent("1", "甲", "1", {"service": 9})
    with pytest.raises(ConfigError, match="needs an id and a phone"):
        Agent("1", "甲", "")
