"""A caller's ticket: the place in the line, the search for an agent, and the talk that follows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from calls import Assignment, Call, Caller, Phone
from calls.errors import CallFailed
from routing.agents import REFUSALS, Signal
from routing.policy import Offer
from routing.queues import Queue

if TYPE_CHECKING:
    from routing.router import Router


class Ticket:
    """Made by ``Router.waiting``. One coroutine at a time searches; any number may watch the position."""

    def __init__(self, router: Router, call: Call, caller: Caller, queue: Queue, max_wait: float) -> None:
        self.call, self.caller, self.queue, self.max_wait = call, caller, queue, max_wait
        self.waits_until = 0.0
        self.phone: Phone | None = None
        """The agent's phone while the two talk."""
        self.assignment: Assignment | None = None
        self.withdraw: asyncio.Timeout | None = None
        """While a phone rings: expires when the router takes the offer back."""
        self.talked_to: str | None = None
        self.overflowed = False
        self._router = router
        self._position = 0
        self._moves: set[asyncio.Future[None]] = set()
        self._search: asyncio.Task[object] | None = None

    @property
    def position(self) -> int:
        """1 for the next to be served, ringing included; 0 when the call is not in the line (talking, done)."""
        return self._position

    @position.setter
    def position(self, position: int) -> None:
        if position != self._position:
            self._position = position
            for move in self._moves:
                if not move.done():
                    move.set_result(None)

    @property
    def searching(self) -> bool:
        """Whether ``agent`` is being awaited."""
        return self._search is not None

    async def moved(self, since: int | None = None) -> int:
        """Wait until the position is another than ``since`` (than now, when not given); return it."""
        since = self._position if since is None else since
        while self._position == since:
            move = asyncio.get_running_loop().create_future()
            self._moves.add(move)
            try:
                await move
            finally:
                self._moves.discard(move)
        return self._position

    async def agent(self) -> tuple[Phone, Assignment]:
        """Ring one agent after another until one answers; the caller keeps the place meanwhile.

        Raises TimeoutError when nobody answered within ``max_wait`` seconds of entering (or returning). Cancelling
        it stops a ringing phone and gives that agent the old turn among the idle back.
        """
        if self._search is not None or self.phone is not None:
            raise RuntimeError(f"call {self.call.id} already searches for an agent or talks to one")
        self._search = asyncio.current_task()
        try:
            async with asyncio.timeout(max(0.0, self.waits_until - self._router.now())) as limit:
                while True:
                    offer = await self._router.offer(self)
                    if (answered := await self._ring(offer)) is not None:
                        return answered
        finally:
            self._search = None
            self.overflowed = limit.expired()
            self._router.search_over(self)

    async def again(self) -> None:
        """The agent's phone died in mid-call: end the talk and put the caller at the head of the line."""
        await self._drop_phone()
        self._router.returned(self)

    @asynccontextmanager
    async def talking(self) -> AsyncIterator[Phone]:
        """While inside, the agent talks; afterwards the agent's phone is hung up and the wrap-up begins."""
        if self.phone is None:
            raise RuntimeError(f"call {self.call.id} has no agent to talk to")
        try:
            yield self.phone
        finally:
            await self._drop_phone()

    def goes_on_at(self, phone: Phone) -> None:
        """The agent goes on at another telephone."""
        self.phone = phone
        self._router.watch(self, phone)

    async def close(self, why: str) -> None:
        """Leave the line or end the talk; nothing is left over. Called at the end of ``Router.waiting``."""
        search = self._search
        try:
            if search is not None and search is not asyncio.current_task():
                search.cancel()
                await asyncio.wait([search])
            await self._drop_phone()
        finally:
            self._router.leave(self, "overflow" if self.overflowed else why)

    async def _ring(self, offer: Offer) -> tuple[Phone, Assignment] | None:
        """Ring the offered agent. None when somebody else must be asked."""
        if not self._router.stands(self, offer):
            return None
        try:
            async with asyncio.timeout(None) as self.withdraw:
                phone = await self._router.exchange.ring(
                    offer.agent.phone, call=self.call, shown=self.call.number, name=self.caller.name,
                    answer_within=self.queue.ring_seconds)
        except CallFailed as failure:
            if self._router.stands(self, offer):
                self._router.refused(self, offer, REFUSALS.get(failure.status, Signal.DECLINED), failure.status)
            return None
        except TimeoutError:  # only ``withdraw`` expires here: the wait's own limit lies outside
            self._router.withdrawn(self)
            return None
        finally:
            self.withdraw = None
        # Since the answer nothing was awaited, so no cancellation can have lost this phone.
        stands = self._router.stands(self, offer)  # not where the call left in the very moment of the answer
        who = self._router.answered_by(self, offer, phone) if stands else None
        if who is None:
            await self._router.afterwards(phone.hang_up())
            return None
        offer = who
        self.phone, self.talked_to = phone, offer.agent.id
        self.assignment = Assignment(self.call.id, self.queue.name, offer.agent.id, offer.agent.phone, offer.reasons)
        self._router.answered(self, offer, phone)
        return phone, self.assignment

    async def _drop_phone(self) -> None:
        if self.phone is not None:
            await self._router.afterwards(self._hang_up(self.phone))

    async def _hang_up(self, phone: Phone) -> None:
        """First the phone, then the agent: else the next call would meet a phone that is still in this one."""
        try:
            await phone.hang_up()
        finally:
            if self.phone is phone:  # not when the talk's end and the call's met here
                self.phone = self.assignment = None
                self._router.talk_over(self)
