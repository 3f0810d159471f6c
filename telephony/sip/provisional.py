"""Provisional responses of ours, and how those that must arrive are repeated until their PRACK comes (RFC 3262)."""

from __future__ import annotations

from collections.abc import Callable

from telephony.sip.call import Asked, Call, Phase, Unconfirmed
from telephony.sip.core import Core
from telephony.sip.events import Acknowledged, Ended, Reinvited
from telephony.sip.leaving import Leaving
from telephony.sip.message import Request
from telephony.sip.offering import COLLISION, DESCRIBED, Offering
from telephony.sip.rack import OPTION, RAck
from telephony.sip.responding import respond
from telephony.sip.session import supports
from telephony.sip.tables import Event

RING_AGAIN = 60.0
"""RFC 3261 section 13.3.1.1: a provisional response is repeated every minute, or a proxy on the way gives up."""


class Provisional:
    """Rings. ``answer`` is called with what could not be said before a PRACK: set once, at birth of the endpoint."""

    def __init__(self, core: Core, leaving: Leaving) -> None:
        self._core = core
        self._leaving = leaving
        self.answer: Callable[[Call, bytes, float], None]

    def ring(self, call: Call, status: int, body: bytes, now: float) -> None:
        """Send a 101…199, and again every minute until the final response. One after the other where they must arrive:
        the next waits for the PRACK of the one before."""
        if call.phase is not Phase.INCOMING or call.server is None:
            return
        if call.unconfirmed is not None:
            call.held_back.append((status, body))
            return
        if self._must_arrive(call, call.server.request, body):
            self._send_reliably(call, status, body, now)
        else:
            # Without reliability only an answer may be shown early; an offer that may be lost is none (RFC 6337, 2.2).
            shown = body if call.dialog.offering is Offering.THEIRS else b""
            respond(self._core, call, call.server, status, now, shown)
        self._core.timers.stop(call.reminder)
        call.reminder = self._core.timers.start(
            now + RING_AGAIN, lambda again, at: self.ring(again, status, body, at), call
        )

    def _must_arrive(self, call: Call, request: Request, body: bytes) -> bool:
        """Where the caller requires it, and for a description where the caller knows how."""
        describes = bool(body) and call.dialog.offering in DESCRIBED
        return supports(request, OPTION) if describes else OPTION in map(str.lower, request.values("Require"))

    def _send_reliably(self, call: Call, status: int, body: bytes, now: float) -> None:
        assert call.server is not None
        dialog = call.dialog
        if dialog.offering not in DESCRIBED:
            body = b""
        if body:
            dialog.offering = DESCRIBED[dialog.offering]
        dialog.rseq = dialog.rseq + 1 if dialog.rseq else 1 + int(self._core.config.chance() * 2**30)
        headers = [("Require", OPTION), ("RSeq", str(dialog.rseq))]
        response = respond(self._core, call, call.server, status, now, body, headers=headers)
        config = self._core.config
        call.unconfirmed = Unconfirmed(response, dialog.rseq, config.t1, now + config.patience)
        self._wait_for_prack(call, call.unconfirmed, now)

    def _wait_for_prack(self, call: Call, waiting: Unconfirmed, now: float) -> None:
        waiting.timer = self._core.timers.start(min(now + waiting.interval, waiting.give_up_at), self._no_prack, call)

    def _no_prack(self, call: Call, now: float) -> None:
        waiting = call.unconfirmed
        assert waiting is not None
        assert call.server is not None
        if now >= waiting.give_up_at:  # section 3: the call is refused with a 5xx
            self.final(call)
            respond(self._core, call, call.server, 504, now)
            self._leaving.over(call)
            self._core.emit(Ended(call.key, "no PRACK"))
            return
        call.server.happen(Event.USER_1XX, now, waiting.response)
        waiting.interval *= 2
        self._wait_for_prack(call, waiting, now)

    # -- PRACK ----------------------------------------------------------------------------------------------------

    def confirmed(self, call: Call, request: Request, now: float) -> None:
        """Their PRACK: 481 where it confirms nothing that waits. Raises SipParseError where it has no RAck."""
        waiting, rack = call.unconfirmed, request.once("RAck", RAck.parse)
        if waiting is None or rack != RAck(waiting.number, waiting.response.cseq.number, "INVITE"):
            self._core.reply(request, 481, now)
            return
        self._core.timers.stop(waiting.timer)
        call.unconfirmed = None
        self._described(call, request, now)
        self._go_on(call, now)

    def _described(self, call: Call, request: Request, now: float) -> None:
        dialog = call.dialog
        if dialog.offering is Offering.OURS:
            dialog.offering = Offering.STABLE
            self._core.reply(request, 200, now)
            self._core.emit(Acknowledged(call.key, request.body))
        elif not request.body:
            self._core.reply(request, 200, now)
        elif status := COLLISION.get(dialog.offering):
            self._core.reply(request, status, now)
        else:
            dialog.offering = Offering.THEIRS
            call.asked = Asked(self._core.serve(request, now), dialog)
            self._core.emit(Reinvited(call.key, request))

    def _go_on(self, call: Call, now: float) -> None:
        held_back, call.held_back = call.held_back, []
        for status, body in held_back:
            if status < 200:
                self.ring(call, status, body, now)
            else:
                self.answer(call, body, now)

    def final(self, call: Call) -> None:
        """A final response goes out: nothing is repeated any more, but a PRACK on its way is still answered."""
        call.held_back.clear()
        if call.unconfirmed is not None:
            self._core.timers.stop(call.unconfirmed.timer)
