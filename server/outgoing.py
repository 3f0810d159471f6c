"""Calls that our own people make: to a colleague, a queue or an outside number, from a phone or from the desktop.

Like every call each is one coroutine. From the answer on it belongs to whoever was called: that party is recorded, and
may be handed on as a caller may, or given up to another call of the agent's (an attended transfer).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace

from calls import Call, Caller, Hangup, Phone, Side, ToQueue
from calls.caller import Identity
from calls.errors import CallFailed, LegGone
from customers import identify, parse_number
from ivr.voice import ringback
from routing.ticket import Ticket
from server.closing import cause_of, closed, recording_of
from server.diary import Diary
from server.parts import GivenUp, Parts
from server.talking import Talks, shown
from telephony import IncomingCall
from telephony.bridge import NotPossible
from telephony.causes import passed_on

CLICKED = "点击拨号 Click-to-dial"
"""What a phone shows that rings because its agent wants a call."""
ANSWER_SECONDS = 60.0
"""How long whom an agent calls may ring: the agent hangs up when tired of it."""


async def outgoing(incoming: IncomingCall, parts: Parts) -> None:
    """One of our own phones calls."""
    call = Call(incoming.phone.id, incoming.trunk, incoming.called, parse_number(incoming.calling), "",
                parts.clock.now())
    own = OwnCall(call, incoming.user, incoming.display_name, parts)
    async with own.recorded({"sip_call_id": incoming.sip_call_id}):
        await own.from_phone(incoming.phone)


@dataclass
class OwnCall:
    """One such call. ``call.called`` is whom it is to reach."""

    call: Call
    user: str
    """The user whose phone calls."""
    name: str
    """As colleagues' phones show it."""
    parts: Parts
    phone: Phone | None = None
    """That of whoever calls, once it is there."""
    other: Phone | None = None
    """Whom the call belongs to, once answered."""
    given_up: bool = False
    clicked: bool = False
    """The desktop asked for the call: the phone was rung and has answered already."""
    ended: Hangup | None = None
    """How it ended; before that, None."""
    _task: asyncio.Task[object] | None = None
    """In which the call runs."""
    _notes: float = 0.0
    """Seconds that the agent has for notes once out of the call."""
    _reached: str = ""
    """The agent who has answered, where it is one."""
    _ticket: Ticket | None = None
    """Of the queue that has found whoever answered, where it was one."""
    _held: AsyncExitStack = field(default_factory=AsyncExitStack)

    @asynccontextmanager
    async def recorded(self, details: Mapping[str, object]) -> AsyncIterator[None]:
        """While inside, the call is in progress; afterwards it is accounted for."""
        call, parts = self.call, self.parts
        self._task = asyncio.current_task()
        parts.running[call.id] = call
        self.diary = Diary(call, parts.log, parts.clock)
        self.diary.note("call.invited", {"called": shown(call.called, parts.telephony), "caller": self.user,
                                         "trunk": call.trunk, "flow": "", "by": self.user, **details})
        self._recording = recording_of(call, parts, self.diary)
        try:
            with parts.router.direct.dialling(self.user, call):
                yield
        finally:
            parts.running.pop(call.id)
            if self.phone is not None:
                parts.consulting.pop(self.phone.id, None)
            await asyncio.shield(self._over())

    async def clicked_on(self) -> None:
        """The whole of a call that the desktop asked for."""
        async with self.recorded({}):
            await self.from_desktop()

    async def from_phone(self, phone: Phone) -> None:
        """Reach whom the phone has dialled, then answer it."""
        self.phone = self._consults(phone)
        try:
            async with self._held:
                await self._reach()
                await phone.answer()
                await self._talk(phone)
        except CallFailed as failure:
            self._not_answered(failure)
            with suppress(LegGone):
                await phone.reject(passed_on(failure.status), failure.reason, failure.cause)
        finally:
            await phone.hang_up()

    def _consults(self, phone: Phone) -> Phone:
        """From now on whoever calls may want to hand another caller to whom it reaches."""
        self.parts.consulting[phone.id] = self
        return phone

    @property
    def answered(self) -> bool:
        """As in ``server.parts.Consulting``."""
        return self.other is not None

    async def withdrawn(self) -> str:
        """As in ``server.parts.Consulting``."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        return self.call.called

    def give_up(self, to: Call, wrap_up: float, agreed: Callable[[], None]) -> GivenUp:
        """As in ``server.parts.Consulting``."""
        other = self.other
        if other is None:
            raise CallFailed(481, "whom the caller is to be handed to has not answered")
        if self.given_up:
            raise CallFailed(481, "whom the caller is to be handed to has gone on to another call")
        try:
            self.parts.telephony.talk(self.call.id)
        except NotPossible as error:
            raise CallFailed(481, str(error)) from None
        agreed()
        self.parts.telephony.handed_over(self.call, to)
        if self.call.called not in self.parts.router.book.queues:
            self.parts.router.direct.handed_on(self._reached, to, wrap_up)
        self.given_up = True
        return GivenUp(other, self._reached, self._held.pop_all())

    async def from_desktop(self) -> None:
        """Ring the phone of whoever calls, then reach the other party (RFC 3725 section 4.1)."""
        parts, called = self.parts, parse_number(self.call.called)
        try:
            async with self._held:
                self.phone = await parts.telephony.ring(
                    self.user, call=self.call, shown=called, name=CLICKED, answer_within=parts.own_calls.ring_seconds)
                self.diary.note("agent.answered")
                self._held.push_async_callback(self.phone.hang_up)
                parts.telephony.belongs(self.call, self._consults(self.phone))
                ringing = await self.phone.play(ringback(), loop=True)
                await self._reach()
                await ringing.stop()
                await self._talk(self.phone)
        except CallFailed as failure:
            self._not_answered(failure)

    async def _reach(self) -> None:
        """Ring until somebody answers. Raises CallFailed."""
        call, parts = self.call, self.parts
        self.caller = Caller(Identity.NONE, call.number, name=self.name)
        self._notes = parts.own_calls.wrap_up_house_seconds
        target = call.called
        seat = parts.router.direct.seat_of(target)
        if target in parts.router.book.queues:
            self.other = await self._from_queue(target)
        elif seat is not None or parts.telephony.phones.knows(target):
            if target == self.user:
                raise CallFailed(486, "this is the phone that calls")
            self.other = await self._held.enter_async_context(parts.router.direct.reached(
                target, call, name=self.name, by=self.user, answer_within=ANSWER_SECONDS, early_media=True))
            answering = parts.router.direct.seat_of(self.other.user) or seat  # a colleague may have picked it up
            self._reached = answering.agent.id if answering is not None else ""
        else:
            self.other = await self._outside(target)

    async def _from_queue(self, queue: str) -> Phone:
        ticket = await self._held.enter_async_context(self.parts.router.waiting(self.call, self.caller, queue))
        if self.phone is not None and not self.clicked:
            await self.phone.ring()
        try:
            _, assignment = await ticket.agent()
        except TimeoutError:
            raise CallFailed(480, "nobody in this queue answered in time") from None
        self._reached, self._ticket = assignment.agent, ticket
        return await self._held.enter_async_context(ticket.talking())

    async def _outside(self, target: str) -> Phone:
        number, call = parse_number(target), self.call
        self.caller = await identify(self.parts.database, number)
        extension = call.number is not None and call.number.digits == self.user
        phone = await self.parts.telephony.ring(
            target, call=call, shown=None if extension else call.number, by=self.user, answer_within=ANSWER_SECONDS,
            early_media=True)
        self._held.push_async_callback(phone.hang_up)
        self._notes = self.parts.own_calls.wrap_up_seconds
        self.call = replace(call, number=number)  # whoever gets this party by transfer is shown it
        return phone

    async def _talk(self, phone: Phone) -> None:
        assert self.other is not None
        self.diary.note("call.answered")
        self.parts.telephony.belongs(self.call, self.other, record_to=self._recording)
        found_by_queue = self.call.called in self.parts.router.book.queues
        talks = Talks(self.call, self.caller, self.other, self.parts, self.diary, found_by_queue, self._moved)
        try:
            last: Hangup | ToQueue | bool = await talks.talk(phone, self._at_work, wrap_up=self._notes)
        finally:
            del self.parts.consulting[phone.id]
        while isinstance(last, ToQueue):
            last = await talks.by_queue(last)

    def _moved(self, phone: Phone) -> None:
        """Whoever was called goes on at another telephone."""
        self.other = phone
        self._held.push_async_callback(phone.hang_up)
        if self._ticket is not None:
            self._ticket.goes_on_at(phone)

    @asynccontextmanager
    async def _at_work(self) -> AsyncIterator[None]:
        """While inside, the agent is in this call: it may go on without, once whom it has reached is handed on."""
        try:
            yield
        finally:
            notes = 0.0 if self.given_up else self._notes
            self.parts.router.direct.rang_off(self.user, self.call, wrap_up=notes)

    def _not_answered(self, failure: CallFailed) -> None:
        self.diary.note("call.not_answered", {"status": failure.status, **cause_of(failure.cause)})
        self.ended = Hangup(Side.NETWORK, failure.status, failure.reason, failure.cause)

    async def _over(self) -> None:
        belongs = self.phone if self.given_up or self.other is None else self.other
        if self.ended is None and belongs is not None:
            self.ended = await belongs.ended()
        hangup = self.ended or Hangup(Side.HOTLINE, 503, "shutting down")
        if self.other is not None:
            await self.parts.telephony.recording_whole(self.other)
        await closed(self.call, hangup, self._recording, self.parts, self.diary)
