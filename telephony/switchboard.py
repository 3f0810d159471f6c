"""Calls that we make, and talks: who is rung, who is joined with whom."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from calls.call import Call
from calls.errors import CallFailed
from calls.numbers import PhoneNumber
from calls.phone import Phone, Sound, user_of
from media.engine import Codec
from telephony import bridge
from telephony.bridge import Bridge, NotPossible
from telephony.dialling import DialledLeg, Route
from telephony.forking import by_preference
from telephony.leg import Leg
from telephony.office import Office
from telephony.outside import Outside, Wanted
from telephony.phones import Phones
from telephony.replacing import MayTake, only_own
from telephony.routes import Routes
from telephony.serving import Serving
from telephony.sip.address import Address
from telephony.supervision import Mode
from telephony.trunking.identity import Shown


class Switchboard:
    """Implements ``calls.Exchange``, once ``open`` has been given the office."""

    def __init__(self, phones: Phones, outside: Outside, routes: Routes, serving: Serving, music: Sound) -> None:
        self.phones, self._outside, self._routes, self._serving, self._music = phones, outside, routes, serving, music
        self._talks: dict[str, Bridge] = {}
        self._office: Office | None = None
        self.closing = False
        """No new call begins, and none goes on for long."""
        self.may_take: MayTake = only_own
        """Who may take a call from another telephone (RFC 3891)."""
        self.ask_whether_there: Callable[[Address], None] = lambda source: None
        """Sends a question to the phone that is registered from there."""

    @property
    def office(self) -> Office:
        if self._office is None:
            raise RuntimeError("the exchange is not started")
        return self._office

    async def ring(
        self, target: str, *, call: Call, shown: PhoneNumber | None, name: str = "", by: str = "",
        answer_within: float = 20.0, early_media: bool = False,
    ) -> Phone:
        """As in ``calls.Exchange``. A user who registered from several places is rung at all of them, in the
        order of preference."""
        if self.closing:
            raise CallFailed(503, "shutting down")
        if self._routes.leads_outside(target):
            return await self.dial_out(
                target, call=call, shown=shown, name=name, by=by, answer_within=answer_within, early_media=early_media
            )
        routes = await self._routes.to(target)
        first, legs = self._codec_of(call.id), []
        # Of several phones that ring at once nobody could be understood.
        listener = self._serving.whose(call.id) if early_media and len(routes) == 1 else None
        for route in routes:
            codecs = sorted(route.codecs, key=lambda codec: codec is not first)  # the caller's own: no transcoding
            leg = DialledLeg(self.office, str(uuid.uuid4()), codecs, for_call=call.id, listener=listener)
            leg.house, leg.user = True, user_of(target) if self.phones.knows(target) else ""
            leg.unheard = partial(self._unheard, route)
            legs.append((leg, route))
        return await by_preference(legs, Shown(shown, name), answer_within)

    def _unheard(self, route: Route, sure: bool) -> None:
        """An INVITE got no response at all: until that phone says something, calls go elsewhere. So it is asked at
        once; where the silence was too short to be ``sure`` of, it is the answer to this that decides."""
        if route.path:
            return
        if sure:
            self.phones.answers(route.destination, False, self.office.sip.now())
        self.ask_whether_there(route.destination)
        self.office.sip.flush()

    async def dial_out(
        self, number: str, *, call: Call, shown: PhoneNumber | None, name: str = "", by: str = "",
        answer_within: float = 30.0, early_media: bool = False,
    ) -> Phone:
        """Dial an outside number by the trunks, one after another where one fails, and return the answered phone.

        ``by`` is the agent on whose behalf, whose caps apply; empty: the house itself. The leg ends with ``call``.
        Raises ``CallFailed``: 403 beyond a limit, 503 where no trunk could be reached, else the called party's answer.
        """
        if self.closing:
            raise CallFailed(503, "shutting down")
        listener = self._serving.whose(call.id) if early_media else None
        wanted = Wanted(number, call, Shown(shown, name), by, self._codec_of(call.id), answer_within, listener)
        return await self._outside.dial(self.office, wanted)

    @asynccontextmanager
    async def joined(self, caller: Phone, agent: Phone, *, moves: bool = False) -> AsyncIterator[Bridge]:
        """As in ``calls.Exchange``. Raises LegGone when either is already over. Where the caller ``moves``, one of our
        users, another telephone of that user may come for the caller's place (``moved``)."""
        leg = _leg(caller)
        with bridge.joined(leg, _leg(agent), music=self._music, moves=moves) as talk:
            call_id = leg.for_call or leg.id
            self._talks[call_id] = talk
            try:
                yield talk
            finally:
                del self._talks[call_id]

    @asynccontextmanager
    async def supervising(self, call_id: str, phone: Phone, mode: Mode) -> AsyncIterator[Bridge]:
        """While inside, ``phone`` takes part in the talk of a call as ``mode`` says; ``change`` changes that.

        Nobody else's phone is told. Raises LegGone, and NotPossible where there is no talk or another supervisor in it.
        """
        talk, leg = self.talk(call_id), _leg(phone)
        talk.supervise(leg, mode)
        try:
            yield talk
        finally:
            talk.dismiss(leg)

    def originate(self, call: Call, work: Callable[[], Awaitable[None]]) -> None:
        """Run ``work`` for a call that nobody's INVITE began. Raises CallFailed while shutting down."""
        if self.closing:
            raise CallFailed(503, "shutting down")
        self._serving.originate(call.id, work)

    def belongs(self, call: Call, phone: Phone, *, record_to: Path | None = None) -> None:
        """From now on the call is that of ``phone``: the call ends with it, and what it says and hears is recorded."""
        leg = _leg(phone)
        self._serving.belongs(call.id, leg)
        if record_to is not None:
            leg.record(record_to)

    def moved(self, call: Call, phone: Phone) -> None:
        """Whom the call belongs to is at ``phone`` from now on: talk and recording go on there. Raises LegGone, and
        NotPossible where nobody talks."""
        talk, leg = self.talk(call.id), _leg(phone)
        before = talk.caller.audio
        talk.move(leg)
        if before is not None:
            before.keep_recording(leg.talking)
        self._serving.belongs(call.id, leg)

    async def recording_whole(self, phone: Phone) -> None:
        """Wait until a recording that has ended can be read."""
        await _leg(phone).recording_whole()

    def handed_over(self, from_: Call, to: Call) -> Phone:
        """Whom the call ``from_`` belongs to, out of its talk and its recording, to go on in the call ``to`` (RFC 5589
        section 7.3); the other leg of that talk ends. Raises NotPossible where nobody talks."""
        talk = self.talk(from_.id)
        if talk.caller.hangup is not None:
            raise NotPossible("whom the caller is to be handed to has hung up")
        leg = talk.hand_over()
        if leg.audio is not None:
            leg.audio.stop_recording()
        self._serving.belongs(from_.id, talk.agent)
        leg.for_call = to.id
        return leg

    def talk(self, call_id: str) -> Bridge:
        """The talk that a call is in. Raises NotPossible."""
        if call_id not in self._talks:
            raise NotPossible("nobody talks in this call")
        return self._talks[call_id]

    def _codec_of(self, call_id: str) -> Codec | None:
        leg = self._serving.whose(call_id)
        return leg.codec if leg is not None else None


def _leg(phone: Phone) -> Leg:
    if not isinstance(phone, Leg):
        raise TypeError("only phones of this exchange can be joined")
    return phone
