"""A caller's talks: with whoever was found first, and with everybody the caller is handed on to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext, suppress
from dataclasses import dataclass

from calls import Call, Caller, Hangup, Phone, Side, ToQueue
from calls.errors import CallFailed, LegGone
from calls.phone import Talk, Transfer
from customers import parse_number
from server.diary import Diary
from server.parts import Parts

TRANSFER_SECONDS = 25.0
"""How long the target of a transfer may ring."""
AtWork = Callable[[], AbstractAsyncContextManager[object]]


@dataclass(frozen=True, slots=True)
class Talks:
    """One caller's."""

    call: Call
    caller: Caller
    phone: Phone
    parts: Parts
    diary: Diary

    async def talk(self, other: Phone, at_work: AtWork = nullcontext, *, wrap_up: float = 0.0) -> Hangup | ToQueue:
        """Join the caller with ``other`` until nobody has the caller any more, or (ToQueue) a queue is to have them.

        ``other`` is ``at_work`` until its own leg ends or the caller is handed on: a supervisor may go on talking. The
        caller's own hang-up cancels this. An agent who is reached by transfer has ``wrap_up`` seconds afterwards.
        """
        async with AsyncExitStack() as everybody:
            now = everybody
            while True:
                following = await everybody.enter_async_context(_Following(wrap_up))
                turn = await self._with(other, at_work, following)
                if not isinstance(turn, _Onward):
                    return turn
                if now is not everybody:
                    await now.aclose()  # whoever handed the caller on is free
                now, other, at_work = following, turn.phone, nullcontext

    async def _with(self, other: Phone, at_work: AtWork, following: _Following) -> Hangup | ToQueue | _Onward:
        with suppress(LegGone):  # who hangs up in the very moment of the answer is never joined
            async with self.parts.telephony.joined(self.phone, other) as talk:
                async with at_work():
                    self.diary.note("call.bridged", {"leg": other.id})
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
            target = {"target": self._shown(wish.target)}
            self.diary.note("transfer.asked", {**target, "attended": wish.consulted is not None})
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
            return onward

    async def _hand_on(self, wish: Transfer, talk: Talk, following: _Following) -> ToQueue | _Onward:
        """Reach the target; ``following`` lets go of it in the end. Raises CallFailed."""
        if wish.consulted is not None:
            phone = self.parts.telephony.handed_over(wish.consulted)
            following.push_async_callback(phone.hang_up)
            return _Onward(phone)
        if wish.target in self.parts.router.book.queues:
            return ToQueue("transfer", wish.target)
        with talk.parked():
            return _Onward(await following.enter_async_context(self.parts.router.direct.reached(
                wish.target, self.call, name=self.caller.name, by=wish.by, answer_within=TRANSFER_SECONDS,
                wrap_up=following.wrap_up)))

    def _shown(self, target: str) -> str:
        """A target for the record, where numbers stand masked."""
        if self.parts.telephony.phones.knows(target):
            return target
        if target.startswith(("sip:", "sips:")):
            return "sip:…@" + target.rpartition("@")[2]
        number = parse_number(target)
        return target if number is None else str(number)

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


async def _first(left: asyncio.Future[Hangup], talk: Talk) -> Hangup | Transfer:
    """What comes first: the party hangs up, or wants to hand the caller on."""
    asking = asyncio.ensure_future(talk.transfer())
    try:
        await asyncio.wait((left, asking), return_when=asyncio.FIRST_COMPLETED)
        return asking.result() if asking.done() else left.result()
    finally:
        asking.cancel()
