"""A caller's talks: with whoever was found first, and with everybody the caller is handed on to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext, suppress
from dataclasses import dataclass

from calls import Call, Caller, Hangup, Phone, Side, ToQueue
from calls.errors import CallFailed, LegGone
from calls.phone import Talk, Transfer, user_of
from customers import parse_number
from server.diary import Diary
from server.hold import holding
from server.parts import Consulting, Parts
from telephony import Telephony

TRANSFER_SECONDS = 25.0
"""How long the target of a transfer may ring."""
AtWork = Callable[[], AbstractAsyncContextManager[object]]


@dataclass(slots=True)
class Talks:
    """One caller's."""

    call: Call
    caller: Caller
    phone: Phone
    parts: Parts
    diary: Diary
    found_by_queue: bool = False
    """The party whose call it is, is an agent, and works for a queue as long as it lasts."""
    moved: Callable[[Phone], object] | None = None
    """Told when the party whose call it is, a user of ours, goes on at another telephone; None: it may not."""

    async def talk(self, other: Phone, at_work: AtWork = nullcontext, *, wrap_up: float = 0.0) -> Hangup | ToQueue:
        """Join the caller with ``other`` until nobody has the caller any more, or (ToQueue) a queue is to have them.

        ``other`` is ``at_work`` until its own leg ends or the caller is handed on: a supervisor may go on talking. The
        caller's own hang-up cancels this. An agent who is reached by transfer has ``wrap_up`` seconds afterwards.
        """
        async with AsyncExitStack() as everybody:
            now, agent = everybody, ""
            while True:
                following = await everybody.enter_async_context(_Following(wrap_up))
                turn = await self._with(other, agent, at_work, following)
                if not isinstance(turn, _Onward):
                    return turn
                if now is not everybody:
                    await now.aclose()  # whoever handed the caller on is free
                now, other, agent, at_work = following, turn.phone, turn.agent, nullcontext

    async def by_queue(self, wish: ToQueue) -> bool | ToQueue:
        """Wait in the queue and talk to the agent. False when nobody came in time, a queue when the agent wants it."""
        parts = self.parts
        async with parts.router.waiting(self.call, self.caller, wish.queue, max_wait=wish.max_wait) as ticket:
            while True:
                try:
                    async with holding(self.phone, ticket, parts.voice, parts.music, self.diary.note):
                        agent, _ = await ticket.agent()
                except TimeoutError:
                    return False
                last = await self.talk(agent, ticket.talking, wrap_up=ticket.queue.wrap_up_seconds)
                if isinstance(last, ToQueue):
                    return last
                if last.by is not Side.NETWORK:
                    return True
                await ticket.again()  # the agent's phone is gone, the caller is not: back to the head of the line

    async def _with(self, other: Phone, agent: str, at_work: AtWork,
                    following: _Following) -> Hangup | ToQueue | _Onward:
        with suppress(LegGone):  # who hangs up in the very moment of the answer is never joined
            async with self.parts.telephony.joined(self.phone, other, moves=self.moved is not None) as talk:
                async with at_work():
                    self.diary.note("call.bridged", {"leg": other.id}, agent)
                    turn = await self._turn(talk, other, following)
                    if isinstance(turn, Hangup):
                        self._note_end(other, turn)
                if not isinstance(turn, Hangup):
                    await other.hang_up("transferred")
                    return turn
                last = await talk.ended()
                return turn if last is await other.ended() else last  # a supervisor may have had the caller last
        async with at_work():
            hangup = await other.ended()
        self._note_end(other, hangup)
        return hangup

    async def _turn(self, talk: Talk, other: Phone, following: _Following) -> Hangup | ToQueue | _Onward:
        """Wait until ``other`` hangs up or has handed the caller on. Whoever hangs up first and whose target then does
        not answer has left the caller alone: that is told as a fault of the network."""
        left = asyncio.ensure_future(other.ended())
        try:
            return await self._turns(talk, left, following)
        finally:
            left.cancel()

    async def _turns(self, talk: Talk, left: asyncio.Future[Hangup],
                     following: _Following) -> Hangup | ToQueue | _Onward:
        while True:
            wish = await _first(left, talk)
            if isinstance(wish, Hangup):
                return wish
            target = {"target": shown(wish.target, self.parts.telephony)}
            self.diary.note("transfer.asked", {**target, "attended": wish.consulted is not None,
                                               "taken": wish.arrived is not None})
            try:
                onward = await self._hand_on(wish, talk, following)
            except CallFailed as failure:
                wish.failed(failure.status, failure.reason)
                self.diary.note("transfer.failed", {"status": failure.status, "reason": failure.reason})
                if left.done():
                    return Hangup(Side.NETWORK, failure.status, "nobody has the caller")
                continue
            wish.succeeded()
            self.diary.note("transfer.done", target)
            if onward is not None:
                return onward

    async def _hand_on(self, wish: Transfer, talk: Talk, following: _Following) -> ToQueue | _Onward | None:
        """Reach the target; ``following`` lets go of it in the end. None where the caller has only moved to another
        telephone. Raises CallFailed."""
        if wish.arrived is not None and wish.instead is self.phone:
            await self._move(wish.arrived)
            return None
        if wish.arrived is not None:
            return await self._taken(wish.arrived, following)
        target = wish.target
        if wish.consulted is not None:
            consulting = self.parts.consulting.get(wish.consulted.id)
            if consulting is None:
                raise CallFailed(481, "whom the caller is to be handed to is gone")
            if consulting.answered:
                return self._take_over(consulting, wish, following)
            target = await consulting.withdrawn()  # nobody is there yet: it goes on blindly (RFC 5589 section 7.6)
        if target in self.parts.router.book.queues:
            if self.found_by_queue:
                raise CallFailed(603, "whom a queue has found cannot wait in another")
            return ToQueue("transfer", target)
        with talk.parked():
            phone = await following.enter_async_context(self.parts.router.direct.reached(
                target, self.call, name=self.caller.name, by=wish.by, answer_within=TRANSFER_SECONDS,
                wrap_up=following.wrap_up))
        return _Onward(phone, self._agent(phone.user or target))

    async def _taken(self, phone: Phone, following: _Following) -> _Onward:
        """Let a phone that has called in for it take the other party's place (RFC 3891)."""
        await _answer(phone)
        following.enter_context(self.parts.router.direct.taking(phone.user, self.call, following.wrap_up))
        following.push_async_callback(phone.hang_up)
        return _Onward(phone, self._agent(phone.user))

    async def _move(self, phone: Phone) -> None:
        """Let the caller go on at another telephone, and whoever has the caller notice nothing."""
        await _answer(phone)
        before, self.phone = self.phone, phone
        self.parts.telephony.moved(self.call, phone)
        if self.moved is not None:
            self.moved(phone)
        await before.hang_up("moved to another telephone")

    def _take_over(self, consulting: Consulting, wish: Transfer, following: _Following) -> _Onward:
        """Have whom the agent has consulted. It is told first: the wish may have come on a leg that ends with this."""
        given_up = consulting.give_up(self.call, following.wrap_up, wish.succeeded)
        following.push_async_exit(given_up.hold)
        return _Onward(given_up.phone, given_up.agent)

    def _agent(self, target: str) -> str:
        seat = self.parts.router.direct.seat_of(target)
        return seat.agent.id if seat is not None else ""

    def _note_end(self, leg: Phone, hangup: Hangup) -> None:
        told = {"leg": leg.id, "by": hangup.by, "status": hangup.status}
        self.diary.note("leg.ended", {**told, "cause": hangup.cause} if hangup.cause else told)


class _Following(AsyncExitStack):
    """Lets go of whoever the caller is handed on to."""

    def __init__(self, wrap_up: float) -> None:
        super().__init__()
        self.wrap_up = wrap_up


@dataclass(frozen=True, slots=True)
class _Onward:
    """The caller has been handed on to whoever is at this phone."""

    phone: Phone
    agent: str
    """Whose phone it is; empty where it is no agent's."""


def shown(target: str, telephony: Telephony) -> str:
    """A target for the record, where numbers stand masked."""
    if telephony.phones.knows(target):
        return user_of(target)
    if target.startswith(("sip:", "sips:")):
        return "sip:…@" + target.rpartition("@")[2]
    number = parse_number(target)
    return target if number is None else str(number)


async def _answer(phone: Phone) -> None:
    """Answer a phone that has called in for a call. Raises CallFailed."""
    try:
        await phone.answer()
    except LegGone:
        raise CallFailed(487, "the phone that wanted the call has hung up") from None


async def _first(left: asyncio.Future[Hangup], talk: Talk) -> Hangup | Transfer:
    """What comes first: the party hangs up, or wants to hand the caller on."""
    asking = asyncio.ensure_future(talk.transfer())
    try:
        await asyncio.wait((left, asking), return_when=asyncio.FIRST_COMPLETED)
        return asking.result() if asking.done() else left.result()
    finally:
        asking.cancel()
