"""The leg of somebody who called us."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from calls.call import Hangup, Side
from calls.errors import LegGone
from media.engine import Codec
from telephony import sdp
from telephony.causes import CAUSE_OF, reason_headers
from telephony.leg import Leg
from telephony.liveness import Liveness
from telephony.office import Office


class CallerLeg(Leg):
    """Answered by us. ``offered`` and ``agreed`` are None when the INVITE came without SDP (a late offer)."""

    side = Side.CALLER

    def __init__(
        self,
        office: Office,
        id: str,
        codecs: Sequence[Codec],
        call: str,
        offered: sdp.Session | None,
        agreed: sdp.Agreed | None,
        *,
        house: bool = False,
    ) -> None:
        super().__init__(office, id, codecs)
        self.call, self.house = call, house
        self._offered, self._agreed_on = offered, agreed
        self._told_early = False
        self._acknowledgement: asyncio.Future[None] | None = None
        if not house:
            pause = office.config.caller_silence
            self._liveness = Liveness(self._ask, self._silent, self._gone, patience=None, pause=pause)

    @property
    def codec(self) -> Codec | None:
        agreed = self._agreed_on.codec if self._agreed_on else None
        return super().codec or agreed

    def progressed(self, early: bool) -> None:
        """Whom this caller is to be joined with rings; ``early``: and is to be heard already."""
        if self.answered or self.hangup is not None:
            super().progressed(early)
            return
        if early and self._offered is not None and self._agreed_on is not None:
            if not self._told_early:
                self._told_early = True
                self._describe()
        elif not self._told_early:
            self._sip.endpoint.ring(self.call, self._sip.now())
            self._sip.flush()

    async def ring(self) -> None:
        self._unanswered()
        self._sip.endpoint.ring(self.call, self._sip.now())
        self._sip.flush()

    async def progress(self) -> bool:
        """Send 183 with our SDP, so that what is played is heard before the answer (early media). False, and only
        180 is sent, where the INVITE came without SDP: then nobody knows yet where to send to."""
        self._unanswered()
        if self._offered is None or self._agreed_on is None:
            await self.ring()
            return False
        self._describe()
        return True

    def _describe(self) -> None:
        assert self._offered is not None
        assert self._agreed_on is not None
        self._port_or_refusal()
        body = self.offers.answer(self._offered, self._agreed_on)
        self._sip.endpoint.ring(self.call, self._sip.now(), 183, body)
        self._sip.flush()

    async def reject(self, status: int, reason: str = "", cause: int = 0) -> None:
        if not 300 <= status <= 699:
            raise ValueError(f"{status} does not refuse a call, expected 300 to 699")
        self._unanswered()
        cause = cause or CAUSE_OF.get(status, 0)
        self._sip.endpoint.reject(self.call, status, self._sip.now(), reason, reason_headers(cause))
        self.end(Hangup(Side.HOTLINE, status, reason, cause))
        self._sip.flush()

    async def answer(self, *, record_to: Path | None = None) -> None:
        self.accept(record_to)
        await self.described()

    def accept(self, record_to: Path | None = None) -> None:
        """Send the 200. Raises LegGone."""
        self._unanswered()
        self._port_or_refusal()
        if record_to is not None:
            self.record(record_to)
        if self._offered is not None and self._agreed_on is not None:
            body = self.offers.answer(self._offered, self._agreed_on)
        else:
            body = self.offers.offer()
            self._acknowledgement = asyncio.get_running_loop().create_future()
        self.answered = True
        self._sip.endpoint.answer(self.call, body, self._sip.now())
        self._sip.flush()

    async def described(self) -> None:
        """Wait until there is a far side: a late offer is answered in the ACK. Raises LegGone."""
        if self._acknowledgement is not None:
            await self.unless_over(self._acknowledgement)

    def _unanswered(self) -> None:
        if self.hangup is not None:
            raise LegGone("the caller has hung up")
        if self.answered:
            raise RuntimeError("the call is already answered")

    def _port_or_refusal(self) -> None:
        try:
            _ = self.audio or self.open_audio()
        except OSError:
            self._office.counters["no_port"] += 1
            self.release(Hangup(Side.HOTLINE, 503, "no RTP port is free"), refuse_with=503)
            raise LegGone("no RTP port is free") from None

    def _acknowledged(self, body: bytes | None) -> None:
        super()._acknowledged(body)
        waiting = self._acknowledgement
        if waiting is not None and not waiting.done() and self.hangup is None:
            waiting.set_result(None)

    # -- is anybody there? ----------------------------------------------------------------------------------------

    @property
    def _at_work(self) -> bool:
        """A phone of the house in a talk, which it called for or took over: somebody waits to hear it."""
        return self.house and self.peer is not None

    def _fell_silent(self, seconds: float) -> None:
        if self._at_work:
            super()._fell_silent(seconds)
        else:
            self._liveness.doubt_later(self._office.config.caller_silence - seconds)

    def _silent(self) -> bool:
        """A caller may listen for long and say nothing, or hold: whoever answers the question stays."""
        return super()._silent() if self._at_work else self.answered and self.sends_nothing
