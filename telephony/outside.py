"""Calls out of the house: what they may cost, by which trunk they leave, and by which next where that one fails."""

from __future__ import annotations

import asyncio
import math
import random
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from calls.call import Call, Hangup, Side
from calls.clock import Clock
from calls.errors import CallFailed
from calls.events import Event
from media.engine import Codec
from telephony.causes import CAUSE_OF
from telephony.dialling import GIVEN_UP, DialledLeg, Route, Unreached
from telephony.leg import Leg
from telephony.office import Office
from telephony.sip.address import Address
from telephony.sip.auth import ClientCredentials
from telephony.sip.uri import Uri
from telephony.trunking.carriers import Carriers
from telephony.trunking.choice import choose
from telephony.trunking.identity import Shown
from telephony.trunking.rewriting import rewrite
from telephony.trunking.tolls import Permit, Refused, Tolls
from telephony.trunking.trunk import Trunk

SPENT = Hangup(Side.HOTLINE, 200, "the money for calls is spent")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A call that somebody wants to be made."""

    number: str = field(repr=False)
    call: Call
    shown: Shown
    by: str
    """The agent on whose behalf; empty: the house itself."""
    first: Codec | None
    """The codec of whoever will be joined with it, to be offered first: no transcoding."""
    answer_within: float
    listener: Leg | None = None
    """Who hears what the carrier plays before the answer."""


class Outside:
    """Dials outside numbers."""

    def __init__(
        self, carriers: Carriers, tolls: Tolls, clock: Clock, note: Callable[[Event], None],
        resolve: Callable[[Uri], Awaitable[Address]],
    ) -> None:
        self._carriers, self._tolls, self._clock, self._tell = carriers, tolls, clock, note
        self._resolve, self._chance = resolve, random.SystemRandom().random

    async def dial(self, office: Office, wanted: Wanted) -> DialledLeg:
        """The answered leg. Raises CallFailed: 403 beyond a limit, 503 where no trunk could be reached, or what the
        called party answered."""
        try:
            permit = self._tolls.begin(wanted.by, wanted.number, self._clock.now().astimezone().date())
        except Refused as refused:
            office.counters["toll_refused"] += 1
            self._note("outside.refused", wanted, why=refused.why)
            raise CallFailed(403, refused.why, CAUSE_OF[403]) from None
        try:
            leg = await self._by_any_trunk(office, wanted, permit)
        except BaseException:
            self._over(wanted, permit, None)
            raise
        self._watch(leg, wanted, permit)
        return leg

    def _watch(self, leg: DialledLeg, wanted: Wanted, permit: Permit) -> None:
        """Book the call when it is over, and see to it that it is in time."""
        answered = self._clock.monotonic()
        if leg.hangup is not None:  # hung up in the very moment of the answer
            self._over(wanted, permit, answered)
            return
        leg.when_over(lambda hangup: self._over(wanted, permit, answered))
        if not math.isinf(permit.seconds):
            timer = asyncio.get_running_loop().call_later(permit.seconds, leg.release, SPENT)
            leg.when_over(lambda hangup: timer.cancel())

    def _over(self, wanted: Wanted, permit: Permit, answered: float | None) -> None:
        talked = 0.0 if answered is None else self._clock.monotonic() - answered
        price = self._tolls.ended(permit, talked, self._clock.now().astimezone().date())
        self._note("outside.ended", wanted, seconds=round(talked, 3), price=price)

    async def _by_any_trunk(self, office: Office, wanted: Wanted, permit: Permit) -> DialledLeg:
        deadline = self._clock.monotonic() + wanted.answer_within
        choice = choose(self._carriers.standings(), self._clock.monotonic(), self._chance)
        failed = CallFailed(503, f"no trunk is available: {choice}", CAUSE_OF[503])
        for trunk in choice.order:
            left = deadline - self._clock.monotonic()
            if left <= 0:
                break
            self._note("outside.dialled", wanted, trunk=trunk.name)
            try:
                return await self._by(trunk, office, wanted, permit, left)
            except Unreached as unreached:
                failed = unreached
                self._learn(trunk, unreached, wanted)
        raise failed

    async def _by(self, trunk: Trunk, office: Office, wanted: Wanted, permit: Permit, within: float) -> DialledLeg:
        assert trunk.outbound is not None  # or it would not have been chosen
        try:
            destination = await self._resolve(Uri.at(trunk.outbound))
        except CallFailed as failure:
            raise Unreached(503, failure.reason, silent=True) from None
        uri = Uri.at(trunk.outbound, rewrite(permit.number, trunk.called_out))
        route = Route(
            uri, destination, trunk.codecs, ClientCredentials(trunk.user, trunk.password) if trunk.user else None,
            trunk.secured, presents=trunk.presents, silent_after=trunk.silent_after,
        )
        codecs = sorted(trunk.codecs, key=lambda codec: codec is not wanted.first)
        leg = DialledLeg(office, str(uuid.uuid4()), codecs, for_call=wanted.call.id, listener=wanted.listener)
        line = self._carriers.lines[trunk.name]
        line.outgoing += 1
        leg.when_over(lambda hangup: line.let_go())
        try:
            await leg.dial(route, wanted.shown, within)
        except BaseException:
            leg.release(GIVEN_UP)  # also one that got no port and never rang
            raise
        return leg

    def _learn(self, trunk: Trunk, failure: Unreached, wanted: Wanted) -> None:
        """Remember for the calls that follow how this one fared."""
        now = self._clock.monotonic()
        if failure.silent:
            self._carriers.doubted(trunk.name, now)
        if failure.retry_after:
            self._carriers.left_alone(trunk.name, failure.retry_after, now)
        refused = failure.status in (401, 407)
        why = "the carrier does not accept user and password" if refused else failure.reason
        self._note("outside.failed", wanted, trunk=trunk.name, status=failure.status, why=why)

    def _note(self, kind: str, wanted: Wanted, **details: object) -> None:
        self._tell(Event(kind, self._clock.now(), wanted.call.id, wanted.by or None, details))
