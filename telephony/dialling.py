"""The leg of somebody whom we call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from calls.call import Hangup, Side
from calls.errors import CallFailed, LegGone
from media.engine import Codec
from telephony import sdp
from telephony.causes import CAUSE_OF, ELSEWHERE, NO_ANSWER, NON_SELECTED, NORMAL, cause_in, named, reasons, status_of
from telephony.leg import Leg
from telephony.office import Office
from telephony.sip.address import Address
from telephony.sip.auth import ClientCredentials
from telephony.sip.calling import MOST_FORKS
from telephony.sip.events import Answered, Failed, Ringing, SipEvent
from telephony.sip.message import Response
from telephony.sip.registering import retry_after
from telephony.sip.uri import Uri, bracketed
from telephony.trunking.identity import Shown, identity
from telephony.trunking.trunk import AS_IT_IS, Presentation

if TYPE_CHECKING:
    from telephony.caller import CallerLeg

GIVEN_UP = Hangup(Side.HOTLINE, 487, cause=NORMAL)
ANSWERED_ELSEWHERE = Hangup(Side.HOTLINE, 200, "answered elsewhere", NON_SELECTED)
REPEATED = 1.5
"""Times T1 after which an INVITE has been sent twice (RFC 3261 section 17.1.1.2), the second time long enough ago for
a response: that it is not answered is more than one packet lost."""


@dataclass(frozen=True, slots=True)
class Route:
    """One way to reach a target."""

    uri: Uri
    destination: Address
    codecs: tuple[Codec, ...]
    credentials: ClientCredentials | None = None
    secured: bool = False
    """With SRTP or not at all."""
    path: tuple[str, ...] = ()
    """Proxies that the INVITE passes, the nearest first; each as it stands in Route."""
    presents: Presentation = AS_IT_IS
    silent_after: float = 0.0
    """Seconds for a first response; 0: as long as the transaction waits (32 s)."""
    q: float = 1.0
    """How much the user prefers to be rung here, 0…1."""


@dataclass
class Unreached(CallFailed):
    """It was the next hop that failed, not the called party: another way may lead there. ``retry_after`` is in seconds,
    0 where the hop named none; ``silent`` says that it sent no response at all."""

    retry_after: float = 0.0
    silent: bool = False


# Statuses that speak of the hop that sent them (RFC 3261 section 21.5); all other refusals are the called party's own.
_OF_THE_HOP = frozenset({401, 407, 500, 502, 503, 504})


def failure(event: Failed) -> CallFailed:
    """What the final response to our INVITE, or its absence, says."""
    response = event.response
    if response is None:
        return Unreached(event.status, event.reason, CAUSE_OF.get(event.status, 0), silent=True)
    told = named(reasons(response))
    cause = cause_in(reasons(response), event.status)
    if event.status >= 500 and told and status_of(told) not in _OF_THE_HOP:
        # A gateway that says 503 and means busy (cause 17): another way to the same telephone would find it so too.
        return CallFailed(status_of(told), event.reason, cause)
    if event.status in _OF_THE_HOP:
        return Unreached(event.status, event.reason, cause, retry_after(response))
    return CallFailed(event.status, event.reason, cause)


class DialledLeg(Leg):
    """Rung by us; ``dial`` returns when it is answered."""

    side = Side.AGENT

    def __init__(
        self, office: Office, id: str, codecs: Sequence[Codec], *, for_call: str, listener: Leg | None = None
    ) -> None:
        """``listener`` hears the far side before it answers (early media)."""
        super().__init__(office, id, codecs)
        self.for_call, self._listener = for_call, listener
        self._early: dict[str, bytes] = {}
        """To tag → SDP, of each phone of a fork that described itself before it answered."""
        self.unheard: Callable[[bool], object] = lambda sure: None
        """Told where the next hop sent no response at all; not ``sure``: and had hardly the time to."""
        self._picked_up: asyncio.Future[CallerLeg | None] = asyncio.get_running_loop().create_future()
        """Done once it is answered: by this telephone (None), or by another that picked the call up."""

    async def dial(self, route: Route, shown: Shown, answer_within: float) -> Leg:
        """Ring until answered: by this telephone, or by one that picks the call up for it. Raises CallFailed; when
        cancelled, or given up, the ringing stops (CANCEL)."""
        self.offers.far, self.offers.secured = route.destination.host, route.secured
        try:
            self.open_audio()
        except OSError:
            self._office.counters["no_port"] += 1
            raise CallFailed(503, "no RTP port is free") from None
        why = GIVEN_UP
        succeeded = False  # not the same as answered: a cancellation may overtake the 200 on its way to this coroutine
        patience: asyncio.TimerHandle | None = None
        began = self._sip.now()
        try:
            self._invite(route, shown)
            if route.silent_after:
                patience = asyncio.get_running_loop().call_later(route.silent_after, self._unless_heard)
            async with asyncio.timeout(answer_within):
                other = await self.unless_over(self._picked_up)
            succeeded = True
            return other or self
        except TimeoutError:
            why = Hangup(Side.HOTLINE, 408, "nobody answered", NO_ANSWER)
            raise CallFailed(why.status, why.reason, why.cause) from None
        except LegGone:
            hangup = self.hangup
            raise CallFailed(hangup.status if hangup else 480, "the leg ended while ringing") from None
        finally:
            self._let_hear(0.0)
            if patience is not None:
                patience.cancel()
            if not succeeded:
                self._judge_silence(self._sip.now() - began, timed_out=why.status == 408)
                self.release(why)

    def _invite(self, route: Route, shown: Shown) -> None:
        host = bracketed(self._office.config.host_towards(self.offers.far))
        from_, headers = identity(shown, host, route.presents)
        self.call = self._sip.endpoint.invite(
            route.uri,
            route.destination,
            from_=from_,
            body=self.offers.offer(),
            headers=[*(("Route", hop) for hop in route.path), *headers],
            credentials=route.credentials,
            now=self._sip.now(),
        )
        self._office.legs[self.call] = self
        self._sip.flush()

    def _farewell(self, hangup: Hangup, refuse_with: int) -> list[tuple[str, str]]:
        return ELSEWHERE if hangup is ANSWERED_ELSEWHERE else super()._farewell(hangup, refuse_with)

    def take(self, event: SipEvent) -> None:
        match event:
            case Ringing(response=response):
                self._progressed(response)
            case Answered(response=response):
                # What was agreed early, and arrived for certain, is not said again (RFC 6337 section 3.1.1).
                self._answered(response.body or self._early.get(response.to_tag, b""))
            case Failed(response=response):
                failed = failure(event)
                if response is None:
                    self.unheard(True)
                self._failed(failed)
                self.end(Hangup(self.side, failed.status, failed.reason, failed.cause))
            case _:
                super().take(event)

    def give_way(self, other: CallerLeg) -> None:
        """As in ``Leg``; while it rings, the other one picks the call up, and whoever rings this one lets it go."""
        if self.answered or self._picked_up.done():
            super().give_way(other)
            return
        with suppress(LegGone):  # it has no port, and has been told so: this one rings on
            other.accept()
            self._picked_up.set_result(other)

    def _progressed(self, response: Response) -> None:
        """Early media: an answer of its own from each phone of a fork, the latest is heard (RFC 3960 section 3.1)."""
        if self._listener is not None and not response.body:
            self._listener.progressed(early=False)
        if not response.body or self._early.get(response.to_tag) == response.body:
            return
        try:
            self.offers.answered(response.body)
        except (sdp.SdpError, sdp.NotAcceptable):
            self._office.counters["bad_answer"] += 1  # the call's own answer may be better
            return
        if len(self._early) < MOST_FORKS:
            self._early[response.to_tag] = response.body
        if self._listener is not None:
            self._listener.progressed(early=True)
        self._let_hear(1.0)

    def _let_hear(self, gain: float) -> None:
        listener = self._listener.audio if self._listener is not None else None
        if listener is not None and self.audio is not None:
            listener.hear(self.audio.node, gain)

    def _answered(self, body: bytes) -> None:
        try:
            self.offers.answered(body)
        except (sdp.SdpError, sdp.NotAcceptable) as error:
            self._office.counters["bad_answer"] += 1
            self._failed(CallFailed(488, str(error), CAUSE_OF[488]))
            self.release(Hangup(Side.HOTLINE, 488, str(error)))
            return
        self.answered = True
        if not self._picked_up.done():
            self._picked_up.set_result(None)

    def _unless_heard(self) -> None:
        """The first response is late. ``dial`` gives up, and tells of the silence."""
        if not self._sip.endpoint.heard_from(self.call):
            self._failed(Unreached(408, "no response at all", CAUSE_OF[408], silent=True))

    def _judge_silence(self, rang: float, *, timed_out: bool) -> None:
        """Given up after ``rang`` seconds, maybe before ``silent_after``: whoever sent nothing by then is not there."""
        sure = rang >= REPEATED * self._office.config.t1
        if (sure or timed_out) and not self._sip.endpoint.heard_from(self.call):
            self.unheard(sure)

    def _failed(self, failed: CallFailed) -> None:
        if not self._picked_up.done():
            self._picked_up.set_exception(failed)
            self._picked_up.exception()  # marked as seen: a cancelled ``dial`` does not ask any more
