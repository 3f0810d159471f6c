"""The numbers that supervisors see."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calls import Side
from routing import Agent, Queue
from routing.wallboard import QueueNow, wallboard

if TYPE_CHECKING:
    from tests.routing.conftest import Hall


async def test_one_day_of_a_queue(hall: Hall, li: Agent) -> None:
    router = hall.opens([Queue("service", "客服", ("service",), target_seconds=10, wrap_up_seconds=0)], [li])
    hall.exchange.habits["1001"] = 4.0
    for call in "abc":
        hall.dials(call)
    await hall.passes(10)
    answered = hall.talks("1001")
    assert answered is not None
    answered.end(Side.AGENT)
    await hall.passes(8)
    hall.hangs_up("c")
    hall.dials("d", max_wait=5)
    await hall.passes(7)
    hall.dials("e")
    await hall.passes(1)
    [queue] = wallboard(router.book, router.now()).queues
    assert queue == QueueNow("service", "客服", waiting=1, longest_wait=1.0, talking=1, idle_agents=0, offered=5,
                             answered=2, abandoned=1, overflowed=1, service_level=0.25, average_wait=9.0)
    [agent] = wallboard(router.book, router.now()).agents
    assert (agent.name, agent.state, agent.call_id) == ("李娜", "talking", "b")


async def test_the_counts_begin_anew_at_midnight_in_shanghai(hall: Hall, service: Queue) -> None:
    router = hall.opens([service])
    hall.dials("a", max_wait=10)
    await hall.passes(11)
    assert wallboard(router.book, router.now()).queues[0].overflowed == 1
    await hall.passes(15 * 3600)
    [queue] = wallboard(router.book, router.now()).queues
    assert (queue.offered, queue.overflowed, queue.service_level) == (0, 0, None)


async def test_who_watches_is_told_of_every_change(hall: Hall, li: Agent, service: Queue) -> None:
    router = hall.opens([service], [li])
    seen: list[int] = []
    stop = router.subscribe(lambda: seen.append(wallboard(router.book, router.now()).queues[0].waiting))
    hall.dials("a")
    await hall.passes()
    hall.hangs_up("a")
    await hall.passes()
    assert seen[0] == 1
    assert seen[-1] == 0
    stop()
    before = len(seen)
    router.pause("1001")
    assert len(seen) == before
