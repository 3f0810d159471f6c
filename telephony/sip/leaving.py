"""How calls end: our BYE, their BYE, and what is cleaned up with a call (RFC 3261 section 15)."""

from __future__ import annotations

from collections.abc import Sequence

from telephony.sip.asking import Asking
from telephony.sip.call import Call, Phase
from telephony.sip.core import Core
from telephony.sip.dialog import Dialog
from telephony.sip.events import Ended
from telephony.sip.message import Request, Response
from telephony.sip.tables import Event
from telephony.sip.timers import Timer
from telephony.sip.transaction import Transaction

_ANSWERED = frozenset({Phase.ANSWERED, Phase.CONFIRMED, Phase.ENDING})


class Leaving:
    """Everything after which a call is no more."""

    def __init__(self, core: Core, asking: Asking) -> None:
        self._core = core
        self._asking = asking

    def bye(self, call: Call, now: float, headers: Sequence[tuple[str, str]] = ()) -> None:
        """Send BYE, or remember to: before the ACK of our 2xx the callee must not (section 15)."""
        call.farewell = headers or call.farewell
        if call.phase is Phase.ANSWERED and call.unacknowledged is not None:
            call.hang_up_wanted = True
        elif call.phase in (Phase.ANSWERED, Phase.CONFIRMED):
            self._settle(call, now)
            call.phase = Phase.ENDING
            self._asking.in_dialog(
                call, "BYE", now, call.farewell, on_final=lambda _key, _response, _at: self.over(call)
            )

    def goodbye(self, dialog: Dialog, now: float) -> None:
        """BYE to a dialog that no call is kept for: a fork that answered too (section 13.2.2.4)."""
        via = self._core.new_via(dialog.next_hop())
        request = dialog.request("BYE", dialog.local_sequence + 1, via, self._core.own_headers())
        self._core.ask(request, dialog.next_hop(), lambda _transaction, _message, _now: None, now)

    def bye_came(self, call: Call, request: Request, now: float) -> None:
        """Their BYE: 200, and what they left unanswered of ours or theirs is settled (section 15.1.2)."""
        if call.phase is Phase.CALLING:  # section 15: whoever was called may not end a dialog that is early
            self._core.reply(request, 481, now)
            return
        self._core.reply(request, 200, now)
        told = call.phase is Phase.ENDING or call.hang_up_wanted  # our user hung up first and has been told all
        self._settle(call, now)
        self.over(call)
        if not told:
            self._core.emit(Ended(call.key, ", ".join(request.lines("Reason")) or "BYE"))

    def lost(self, call: Call, reason: str, now: float) -> None:
        """The far side no longer knows the dialog or no longer answers (section 12.2.1.2)."""
        if call.phase is Phase.CONFIRMED:
            self.bye(call, now)
            self._core.emit(Ended(call.key, reason))

    def over(self, call: Call) -> None:
        """Forget a call. Its transactions end by their own timers."""
        if call.phase in _ANSWERED:
            self._core.past.add(call)
        self._quiet(call)
        call.server = call.asked = None
        call.phase = Phase.OVER
        self._core.drop(call)

    def untime(self, call: Call) -> None:
        """The session is timed no longer."""
        if call.session is not None:
            self._core.timers.stop(call.session.timer)
            call.session = None

    def unasked(self, call: Call, now: float) -> None:
        """Section 15.1.2: what they asked and we did not answer gets 487."""
        for pending in (call.server, call.asked.transaction if call.asked else None):
            if pending is not None:
                self._core.respond(pending, 487, now, tag=call.dialog.local_tag)
        call.server = call.asked = None

    def _settle(self, call: Call, now: float) -> None:
        self.unasked(call, now)
        if call.change is not None:
            # Our re-INVITE may still get its final response and ACK it, but nothing obliges the far side to send one.
            give_up_later(self._core, call.change, now)
        self._quiet(call)

    def _quiet(self, call: Call) -> None:
        """Nothing is repeated or waited for any more."""
        self.untime(call)
        for waiting in (call.unacknowledged, call.unconfirmed):
            if waiting is not None:
                self._core.timers.stop(waiting.timer)
        self._core.timers.stop(call.reminder)
        self._core.timers.stop(call.glare)
        call.reminder = call.glare = call.unacknowledged = call.unconfirmed = None


def give_up_later(core: Core, invite: Transaction, now: float) -> Timer:
    """Wait 64*T1 for the final response of an INVITE that is no longer wanted (section 9.1)."""
    return core.timers.start(now + core.config.patience, _give_up, invite)


def _give_up(invite: Transaction, now: float) -> None:
    invite.happen(Event.USER_GIVES_UP, now)


def ends_dialog(response: Response) -> bool:
    """Whether this response to a request in a dialog says that the dialog is gone (section 12.2.1.2)."""
    return response.status in (408, 481)
