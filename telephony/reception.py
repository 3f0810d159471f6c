"""Whatever comes in, brought to whom it belongs: to a leg, to a new call, to the registrar, to the trunks."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass, field

from calls.clock import Clock
from telephony.admission import DIALLING, Admission, Admitted, Refused
from telephony.caller import CallerLeg
from telephony.causes import NO_CIRCUIT, reason_headers
from telephony.config import TelephonyConfig
from telephony.enrolment import Enrolments
from telephony.guarding import Guarding
from telephony.incoming import IncomingCall
from telephony.messages import Messages
from telephony.overload import Overload
from telephony.phones import Phones
from telephony.replacing import wanted_leg
from telephony.serving import Serving
from telephony.sip.address import Address
from telephony.sip.bindings import Binding
from telephony.sip.events import Disconnected, Invited, Malformed, Requested, Responded, SipEvent
from telephony.sip.headers import NameAddr
from telephony.sip.keepalive import KeepAlives
from telephony.sip.message import Request
from telephony.sip.uri import Uri, bracketed
from telephony.switchboard import Switchboard
from telephony.trunking.carriers import Carriers, Line


@dataclass(slots=True)
class Reception:
    """The exchange's front desk."""

    config: TelephonyConfig
    clock: Clock
    counters: Counter[str]
    phones: Phones
    guarding: Guarding
    admission: Admission
    carriers: Carriers
    overload: Overload
    enrolments: Enrolments
    serving: Serving
    board: Switchboard
    draining: bool = False
    keepalives: KeepAlives = field(init=False)
    messages: Messages = field(init=False)

    def __post_init__(self) -> None:
        self.keepalives = KeepAlives(
            self.phones.registered_from, self._ask_whether_alive, self._whether_alive,
            every=self.config.ask_phones, within=self.config.no_response_within,
        )
        self.board.ask_whether_there = lambda source: self.keepalives.doubt(source, self.clock.monotonic())
        self.messages = Messages(self.phones, bracketed(self.config.contact_host))

    def admit(self, request: Request, source: Address) -> int | None:
        """The status that refuses a request outside dialogs for where it comes from; None lets it in."""
        return self.guarding.admitted(request, source, self.admission.stranger(request, source))

    def dispatch(self, event: SipEvent) -> None:
        """Whatever the endpoint tells."""
        match event:
            case Invited():
                self._invited(event)
            case Disconnected(peer=peer):
                self.phones.disconnected(peer, self.clock.monotonic())
            case Malformed():
                self.counters["malformed"] += 1
                self.guarding.malformed(event.source)
            case Requested(call=None):
                self._requested(event)
            case Responded(call=None):
                self.enrolments.take(event, self.clock.monotonic())
                self.carriers.take(event, self.clock.monotonic())
                self.keepalives.answered(event.transaction, event.response.status, self.clock.monotonic())
                self.messages.answered(event, self.board.office.sip.endpoint, self.clock.monotonic())
            case _:
                leg = self.board.office.legs.get(event.call or "")
                if leg is not None:
                    leg.take(event)
                elif isinstance(event, Requested):
                    self.board.office.sip.endpoint.respond(event.transaction, 481, self.clock.monotonic())

    def _invited(self, event: Invited) -> None:
        now = self.clock.monotonic()
        try:
            if self.draining:
                raise Refused(503, "draining", headers=(("Retry-After", str(self.config.retry_after)),))
            admitted = self.admission.decide(event.request, event.source, now)
            if event.request.lines("Replaces"):
                return self._takes_over(event, admitted)
            line = self._channel(admitted.trunk)
        except Refused as refused:
            self.counters[refused.counter] += 1
            self.board.office.sip.endpoint.reject(event.call, refused.status, now, refused.reason, refused.headers)
            return
        self.counters["calls"] += 1
        leg = self._leg(event, admitted)
        incoming = IncomingCall(
            trunk=admitted.trunk,
            called=admitted.called,
            calling=admitted.calling.number,
            withheld=admitted.calling.withheld,
            display_name=admitted.calling.display_name,
            sip_call_id=event.request.call_id,
            phone=leg,
            user=leg.user,
            diverted_from=admitted.diverted_from,
        )
        task = self.serving.begin(leg, incoming)
        if line is not None:
            line.incoming += 1
            task.add_done_callback(lambda _: line.left())

    def _leg(self, event: Invited, admitted: Admitted) -> CallerLeg:
        account = admitted.account
        leg = CallerLeg(
            self.board.office, str(uuid.uuid4()), admitted.codecs, event.call, admitted.offered, admitted.agreed,
            house=account is not None and account.kind in DIALLING,
        )
        leg.offers.far, leg.offers.secured = event.source.host, admitted.secured
        leg.offers.agreed_family = admitted.agreed.family if admitted.agreed is not None else None
        if account is not None:
            leg.user = account.user
        self.board.office.legs[event.call] = leg
        return leg

    def _takes_over(self, event: Invited, admitted: Admitted) -> None:
        """A phone of ours has come for the place of another one. Raises Refused."""
        user = admitted.account.user if admitted.account is not None else ""
        replaced = wanted_leg(self.board.office, event.request, user, self.board.may_take)
        leg = self._leg(event, admitted)
        leg.side = replaced.side
        leg.for_call = replaced.for_call or replaced.id
        self.counters["taken_over"] += 1
        replaced.give_way(leg)

    def overloaded(self) -> int:
        """Seconds that a new caller is asked to wait, or 0."""
        wait = self.overload.refuses(len(self.serving), self.clock.monotonic())
        self.counters["overloaded"] += wait > 0
        return wait

    def shedding(self, source: Address) -> bool:
        """Whether a trunk calls, and nobody is taken just now."""
        return self.overload.late(self.clock.monotonic()) and self.admission.from_trunk(source)

    def _channel(self, trunk: str) -> Line | None:
        """A channel of the trunk that a call comes in by; None for one of our phones. Raises Refused where all are
        taken."""
        line = self.carriers.lines.get(trunk)
        if line is not None and line.full():
            status, headers = line.trunk.when_full, reason_headers(NO_CIRCUIT)
            if status == 503:
                headers.append(("Retry-After", str(self.overload.limits.retry_after)))
            raise Refused(status, "trunk_full", headers=headers)
        return line

    def _requested(self, event: Requested) -> None:
        endpoint, now = self.board.office.sip.endpoint, self.clock.monotonic()
        if event.request.method == "REGISTER":
            reply = self.phones.register(event.request, event.source, now)
            self.counters[f"register_{reply.status}"] += 1
            self.guarding.registered(reply, event.source)
            self.keepalives.keep(event.source, now)
            endpoint.respond(event.transaction, reply.status, now, headers=reply.headers)
        elif event.request.method == "OPTIONS":
            # Whoever probes us before sending calls learns in time that we are about to stop.
            status = 503 if self.draining else 200
            endpoint.respond(event.transaction, status, now, headers=(("Accept", "application/sdp"),))
        elif event.request.method == "MESSAGE":
            self.messages.take(event, endpoint, now)
        elif event.request.method == "REFER":
            endpoint.respond(event.transaction, 603, now, "there is no call to be transferred")
        else:  # it belongs into a dialog (RFC 3261 section 12.2.2), or to a subscription (RFC 6665 section 4.1.3)
            endpoint.respond(event.transaction, 481, now)

    def _whether_alive(self, source: Address, here: bool, now: float) -> None:
        self.counters["phones_answered" if here else "phones_silent"] += 1
        self.phones.answers(source, here, now)

    def _ask_whether_alive(self, binding: Binding, now: float) -> str:
        us = NameAddr(Uri(host=bracketed(self.config.host_towards(binding.source.host))))
        endpoint = self.board.office.sip.endpoint
        return endpoint.send_request("OPTIONS", binding.contact, binding.source, from_=us, now=now)
