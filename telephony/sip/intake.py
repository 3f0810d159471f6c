"""What comes in: checked once, here, then handed to the transaction, the dialog or the user it belongs to."""

from __future__ import annotations

from telephony.sip.address import Address
from telephony.sip.answering import Answering
from telephony.sip.build import echo
from telephony.sip.call import Call, Phase
from telephony.sip.core import Core
from telephony.sip.dialog import Dialog, contact_of, record_route
from telephony.sip.errors import SipParseError
from telephony.sip.events import Malformed, Requested
from telephony.sip.leaving import Leaving
from telephony.sip.message import Request, Response, measure, split
from telephony.sip.names import METHODS
from telephony.sip.provisional import Provisional
from telephony.sip.rack import RAck, rseq
from telephony.sip.replaces import Replaces
from telephony.sip.session import min_se, session_expires
from telephony.sip.shedding import glance
from telephony.sip.tables import SETTLED, Event
from telephony.sip.transaction import Transaction, client_key, heard, server_key


class Intake:
    """Decides what a datagram is."""

    def __init__(self, core: Core, answering: Answering, leaving: Leaving, provisional: Provisional) -> None:
        self._core = core
        self._provisional = provisional
        self._answering = answering
        self._leaving = leaving

    def receive(self, data: bytes, source: Address, now: float) -> None:
        """Take one datagram."""
        if len(data) < 8 and not data.strip(b"\r\n\0 "):
            return  # a keep-alive of a phone behind NAT
        if self._shed(data, source):
            return
        config = self._core.config
        message: Request | Response | None = None
        try:
            message = split(data, max_message=config.max_message, max_fields=config.max_fields)
            if isinstance(message, Response):
                self._response(message, now)
            else:
                if message.method != "ACK":  # it is never answered, and most are of calls that we refused
                    message.stamp(source)
                known = self._core.transactions.get(server_key(message))
                if known is not None or self._let_in(message, source):
                    check(message)
                    self._request(message, known, source, now)
        except SipParseError as error:
            self._core.emit(Malformed(source, str(error)))
            if isinstance(message, Request):
                self._tell(message, source, error)

    def _shed(self, data: bytes, source: Address) -> bool:
        """Whether this was dealt with unread: the ACK of a refusal that nothing was kept of, or an INVITE that there is
        no time for."""
        core, shedding, overloaded = self._core, self._core.config.shedding, self._core.config.overloaded
        if data.startswith(b"ACK "):
            return core.refusal_mark in data
        if shedding is None or overloaded is None or not data.startswith(b"INVITE ") or not shedding(source):
            return False
        seen = glance(data, source)
        if seen is None or seen.key in core.transactions or not (wait := overloaded()):
            return False
        call_id = seen.call_id.decode("utf-8", "surrogateescape")
        tag = core.refusal_prefix + core.tag_of(call_id, seen.branch, seen.from_)
        core.send(seen.refused(503, tag, wait), seen.reply_to)
        return True

    def _tell(self, request: Request, source: Address, error: SipParseError) -> None:
        """Tell the sender what is wrong, as far as the request can be read."""
        reason = f"Bad {error.where}" if error.status == 400 else ""
        try:
            self._core.refuse(request, error.status, error.headers, reason)
        except SipParseError:  # even what every response must copy is broken: it goes back whence it came
            if request.method != "ACK" and request.lines("Via"):
                self._core.send(bytes(echo(request, error.status, reason)), source)

    # -- responses ------------------------------------------------------------------------------------------------

    def _response(self, response: Response, now: float) -> None:
        measure(response)
        cseq = response.cseq
        transaction = self._core.transactions.get(client_key(response.via.branch, cseq.method))
        if transaction is None:
            return  # section 18.1.2: a stray response; its transaction has ended
        if len(response.lines("Via")) > 1 or response.call_id != transaction.call_id:
            raise SipParseError("Via", "the response is not for us")
        _ = response.to_tag
        if response.status < 300 and cseq.method in _OFFERING and transaction.state not in SETTLED:
            _read_answer(response, transaction)
        transaction.happen(heard(response.status), now, response)

    # -- requests -------------------------------------------------------------------------------------------------

    def _let_in(self, request: Request, source: Address) -> bool:
        """Whether a request that is none of a transaction is read through. Who may not begin anything, or not now, is
        refused before that and nothing is kept of it: beyond our capacity refusals must cost next to nothing."""
        core, config, tag = self._core, self._core.config, request.to_tag
        if request.method == "ACK":  # without a dialog it acknowledges what we refused statelessly
            return f"{request.call_id};{tag}" in core.calls
        if tag or request.method == "CANCEL":
            return True
        if config.admit is not None and (status := config.admit(request, source)) is not None:
            core.refuse(request, status)
        elif request.method == "INVITE" and config.overloaded is not None and (wait := config.overloaded()):
            core.refuse(request, 503, [("Retry-After", str(wait))])
        else:
            return True
        return False

    def _request(self, request: Request, known: Transaction | None, source: Address, now: float) -> None:
        if known is not None:
            known.happen(Event.HEARD_ACK if request.method == "ACK" else Event.HEARD_REQUEST, now, request)
            return
        if request.method == "CANCEL":
            self._answering.cancelled(request, now)
        elif request.to_tag:
            self._in_dialog(request, source, now)
        else:
            self._initial(request, source, now)

    def _initial(self, request: Request, source: Address, now: float) -> None:
        core = self._core
        if not self._understood(request):
            return
        elif core.merged(request):
            core.refuse(request, 482)
        elif request.method == "INVITE":
            self._answering.invited(request, source, now)
        else:
            core.emit(Requested(core.serve(request, now).key, request, source))

    def _understood(self, request: Request) -> bool:
        """Method, URI scheme, extensions and hops (section 8.2.1 to 8.2.3); refuses what we do not understand."""
        config = self._core.config
        known = config.known_to(request.method)
        if request.method not in config.allow:
            status = 405 if request.method in METHODS else 501  # sections 21.4.6 and 21.5.2
            self._core.refuse(request, status, [("Allow", ", ".join(config.allow))])
        elif request.uri.scheme not in ("sip", "sips", "tel"):
            self._core.refuse(request, 416)
        elif unknown := [tag for tag in request.values("Require") if tag.lower() not in known]:
            self._core.refuse(request, 420, [("Unsupported", ", ".join(unknown))])
        elif request.method == "INVITE" and request.max_forwards == 0:
            # An endpoint may overlook an exhausted Max-Forwards, but our calls go on to other endpoints: only by
            # keeping this count does a loop between two such servers end (RFC 7332 section 3).
            self._core.refuse(request, 483)
        elif request.method == "INVITE" and not _takes_sdp(request):
            self._core.refuse(request, 406, [("Warning", f'399 {config.host} "an answer is application/sdp"')])
        else:
            return self._readable(request)
        return False

    def _readable(self, request: Request) -> bool:
        """The body, where it must be a session description (section 8.2.3)."""
        try:
            if request.method in _OFFERING:
                request.unwrap()
        except SipParseError as error:
            self._core.refuse(request, error.status, error.headers)
            return False
        return True

    def _in_dialog(self, request: Request, source: Address, now: float) -> None:
        call = self._core.calls.get(f"{request.call_id};{request.to_tag}")
        dialog = call.dialog_with(request.from_tag) if call is not None else None
        if call is None or dialog is None:
            self._core.refuse(request, 481)
            return
        if request.method == "ACK":
            request.unwrap()
            self._answering.acknowledged(call, request, now)
            return
        if request.cseq.number < dialog.remote_sequence:
            self._core.reply(request, 500, now)  # section 12.2.2: out of order
            return
        dialog.remote_sequence = request.cseq.number
        dialog.heard_from(request, source)
        self._core.keep(call)
        if request.method == "BYE":
            self._leaving.bye_came(call, request, now)
        elif self._understood(request):
            self._within(call, dialog, request, source, now)

    def _within(self, call: Call, dialog: Dialog, request: Request, source: Address, now: float) -> None:
        if call.phase is Phase.ENDING:
            self._core.reply(request, 481, now)
        elif request.method == "INVITE":
            self._answering.reinvited(call, request, now)
        elif request.method == "UPDATE":
            self._answering.updated(call, dialog, request, now)
        elif request.method == "PRACK":
            self._provisional.confirmed(call, request, now)
        else:
            transaction = self._core.serve(request, now)
            self._core.emit(Requested(transaction.key, request, source, call.key))


def _read_answer(response: Response, transaction: Transaction) -> None:
    """What our user will read of a 1xx or 2xx that may describe a session. Raises SipParseError."""
    if response.status > 100 and response.to_tag and response.cseq.method == "INVITE":
        Dialog.of_answer(transaction.request, response, transaction.destination)  # reads what these are read for
        rseq(response)
    try:
        response.unwrap()
    except SipParseError:
        response.body = b""  # there is nobody to tell: an answer that nobody can read is none


_OFFERING = frozenset({"INVITE", "UPDATE", "PRACK"})
"""The methods whose body, and that of their responses, is an offer or an answer."""


def _takes_sdp(request: Request) -> bool:
    """Whether an answer may come back (section 20.1: what is not said is application/sdp)."""
    kinds = {value.partition(";")[0].strip().lower() for value in request.values("Accept")}
    return not kinds or not kinds.isdisjoint({"application/sdp", "application/*", "*/*"})


def check(request: Request) -> None:
    """Read all that the endpoint will read of a request, so that nothing fails half-way. Raises SipParseError."""
    if request.version != "2.0":
        raise SipParseError("start line", "does not end in SIP/2.0", 505)
    measure(request)
    if request.cseq.method != request.method and request.method in METHODS:
        raise SipParseError("CSeq", f"names another method than {request.method}")
    _ = request.call_id, request.to_tag, request.from_tag, request.max_forwards, request.uri
    if not request.to_tag:
        _ = request.from_, request.to
    if request.method in ("INVITE", "UPDATE"):
        if request.method == "INVITE" or request.values("Contact"):
            contact_of(request)
        record_route(request)
        session_expires(request)
        min_se(request)
    if request.lines("Replaces"):
        if request.method != "INVITE":  # RFC 3891 section 3
            raise SipParseError("Replaces", "belongs into an INVITE")
        request.once("Replaces", Replaces.parse)
    if request.method == "PRACK":
        request.once("RAck", RAck.parse)
    if request.method == "REGISTER":
        _ = request.contacts
    request.values("Require"), request.values("Supported"), request.values("Accept")
