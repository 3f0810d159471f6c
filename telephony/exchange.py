"""The switch room: brings calls in, rings phones, joins them, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import logging
import secrets
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

from calls.call import Call, Hangup, Side
from calls.clock import Clock
from calls.errors import CallFailed, LegGone
from calls.events import Event
from calls.numbers import PhoneNumber
from calls.phone import Phone, Sound
from media.engine import Codec
from media.server import MediaServer
from telephony import bridge
from telephony.admission import Admission, Refused
from telephony.bridge import Bridge, NotPossible
from telephony.caller import CallerLeg
from telephony.causes import NO_CIRCUIT, reason_headers
from telephony.config import TelephonyConfig
from telephony.dialling import DialledLeg, first_to_answer
from telephony.enrolment import Enrolments
from telephony.faults import describe
from telephony.guarding import BanStore, Guarding
from telephony.incoming import IncomingCall
from telephony.leg import Leg, Office
from telephony.outside import Outside, Wanted
from telephony.overload import Overload
from telephony.phones import Accounts, BindingStore, Phones
from telephony.routes import Routes, resolve
from telephony.sip.address import Address
from telephony.sip.bindings import Binding
from telephony.sip.config import EndpointConfig
from telephony.sip.endpoint import Endpoint
from telephony.sip.events import Disconnected, Invited, Malformed, Requested, Responded, SipEvent
from telephony.sip.headers import NameAddr
from telephony.sip.keepalive import KeepAlives
from telephony.sip.message import Request
from telephony.sip.uri import Uri
from telephony.supervision import Mode
from telephony.transport.connections import Connections
from telephony.transport.links import bind_all, links
from telephony.transport.shell import Shell
from telephony.transport.tls import Tls
from telephony.trunking import Trunks
from telephony.trunking.carriers import Carriers, Line
from telephony.trunking.identity import Shown
from telephony.trunking.tolls import Tolls

log = logging.getLogger(__name__)
AFTERWARDS = 10.0
"""Seconds that a call which was cut has for what it does after the hang-up."""
SHUTTING_DOWN = Hangup(Side.HOTLINE, 503, "shutting down")
ALLOWED = (
    "INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "INFO", "UPDATE", "PRACK", "REGISTER", "REFER", "NOTIFY",
)
"""Nobody here reads texts: MESSAGE gets 405."""
OnCall = Callable[[IncomingCall], Awaitable[None]]


class Telephony:
    """Implements ``calls.Exchange``. ``counters`` holds plain counts of what was refused or went wrong."""

    def __init__(
        self,
        config: TelephonyConfig,
        media: MediaServer,
        accounts: Accounts,
        clock: Clock,
        bindings: BindingStore | None = None,
        bans: BanStore | None = None,
        note: Callable[[Event], None] = lambda event: None,
    ) -> None:
        """``note`` is told what happens to trunks and to calls out of the house, and how each leg's line was."""
        self.counters: Counter[str] = Counter()
        self.port = config.listen[0].port
        self._config, self._media, self._clock = config, media, clock
        self._secret = config.secret or secrets.token_bytes(32)
        self.phones = Phones(config.realm, self._secret, accounts, clock, bindings)
        trunks = Trunks(config.trunks)
        self._admission = Admission(config, trunks, self.phones, self.counters)
        self.guarding = Guarding(
            config.defence, lambda source: trunks.of(source) is not None, self.phones.is_flow, clock, self.counters,
            bans,
        )
        self._routes = Routes(config, self.phones)
        self.carriers = Carriers(trunks, lambda kind, more: note(Event(kind, clock.now(), details=more)), resolve)
        self.tolls = Tolls(config.outside)
        self.overload = Overload(config.load)
        self._outside = Outside(self.carriers, self.tolls, clock, note, resolve)
        self._note_line = lambda kind, call, details: note(Event(kind, clock.now(), call, details=details))
        self._music = Sound(config.hold_music)
        self._tasks: dict[asyncio.Task[None], CallerLeg] = {}
        self._enrolments = Enrolments()
        self._keepalives = KeepAlives(self.phones.registered_from, self._ask_whether_alive)
        self._draining = self._cutting = False
        self._talks: dict[str, Bridge] = {}
        self._office: Office | None = None
        self._on_call: OnCall | None = None

    # -- life -----------------------------------------------------------------------------------------------------

    async def start(self, on_call: OnCall) -> None:
        """Listen. ``on_call`` is run as one task for each accepted call. Raises ConfigError when the port is taken."""
        tls = Tls(self._config.tls, self.counters)
        listen, sockets = bind_all(self._config.listen, self._config.socket_buffer)
        config = replace(self._config, listen=listen)
        self.port = listen[0].port
        self._on_call = on_call
        endpoint = Endpoint(
            EndpointConfig(
                host=config.contact_host,
                port=self.port,
                towards=config.own,
                streams=True,
                user_agent=config.user_agent,
                allow=ALLOWED,
                supported=("100rel", "timer") if config.session_expires else ("100rel",),
                session_expires=config.session_expires,
                min_se=config.min_se,
                t1=config.t1,
                t2=8 * config.t1,
                t4=10 * config.t1,
                admit=self._admit,
                guard=self.guarding.defence,
                overloaded=self._overloaded,
            )
        )
        timed = (self.phones, self._keepalives, self._enrolments, self.carriers)
        sip = Shell(endpoint, self._clock, self._dispatch, self.counters, timed, self.overload.read)
        self._office = Office(config, sip, self._media, self.counters, {}, self._note_line)
        await self.phones.start()
        for flow in self.phones.flows():
            self._keepalives.keep(flow, self._clock.monotonic())
        await self.guarding.start()
        self._connections = Connections(
            config.limits, self.counters, lambda peer: endpoint.needs(peer) or self.phones.is_flow(peer)
        )
        await sip.open(*links(sockets, self._connections, tls))
        self.carriers.start(endpoint, sip.now, sip.flush)

    async def drain(self, seconds: float) -> None:
        """Refuse new calls (503), wait for running ones, cut what is left after ``seconds``. All is over on return."""
        self._draining = True
        await self._over(seconds)
        self._cutting = True
        for task, leg in [*self._tasks.items()]:
            if leg.hangup is None:  # whose leg is over is doing what must be done after a hang-up
                leg.release(SHUTTING_DOWN, refuse_with=503)
                task.cancel()
        await self._over(AFTERWARDS)
        for task in self._tasks:
            task.cancel()
        await self._over(None)
        for other in [*self.office.legs.values()]:
            other.release(SHUTTING_DOWN)

    async def _over(self, seconds: float | None) -> None:
        if self._tasks:
            await asyncio.wait([*self._tasks], timeout=seconds)

    async def close(self) -> None:
        """Cut every call and stop listening. May be called twice, and before ``start``."""
        if self._office is None:
            return
        await self.drain(0)
        await self.carriers.close(self.office.sip.now, self.office.sip.flush)
        await self.office.sip.close()
        self._connections.close_all()
        await self.phones.close()
        await self.guarding.close()
        self._office = None

    @property
    def office(self) -> Office:
        if self._office is None:
            raise RuntimeError("the exchange is not started")
        return self._office

    def live(self) -> dict[str, int]:
        """What is in use at this moment; all 0 when nothing is left over."""
        counts = {"calls": len(self._tasks), "media_nodes": self._media.engine.open_nodes()}
        if self._office is not None:
            counts |= {"legs": len(self._office.legs), **self._office.sip.endpoint.live()}
        return counts

    def registered(self, registrar: Address, user: str, password: str) -> AbstractAsyncContextManager[None]:
        """While inside, be registered at ``registrar`` as ``user``, to be called there. Raises CallFailed."""
        return self._enrolments.registered(self.office.sip, registrar, user, password)

    # -- calls.Exchange -------------------------------------------------------------------------------------------

    async def ring(
        self, target: str, *, call: Call, shown: PhoneNumber | None, name: str = "", by: str = "",
        answer_within: float = 20.0, early_media: bool = False,
    ) -> Phone:
        """As in ``calls.Exchange``. A phone that registered from several places rings at all of them."""
        if self._cutting:
            raise CallFailed(503, "shutting down")
        if self._routes.leads_outside(target):
            return await self.dial_out(
                target, call=call, shown=shown, name=name, by=by, answer_within=answer_within, early_media=early_media
            )
        routes = await self._routes.to(target)
        first, legs = self._codec_of(call.id), []
        # Of several phones that ring at once nobody could be understood.
        listener = self._caller_of(call.id) if early_media and len(routes) == 1 else None
        for route in routes:
            codecs = sorted(route.codecs, key=lambda codec: codec is not first)  # the caller's own: no transcoding
            leg = DialledLeg(self.office, str(uuid.uuid4()), codecs, for_call=call.id, listener=listener)
            leg.house, leg.user = True, target if self.phones.knows(target) else ""
            legs.append((leg, route))
        return await first_to_answer(legs, Shown(shown, name), answer_within)

    async def dial_out(
        self, number: str, *, call: Call, shown: PhoneNumber | None, name: str = "", by: str = "",
        answer_within: float = 30.0, early_media: bool = False,
    ) -> Phone:
        """Dial an outside number by the trunks, one after another where one fails, and return the answered phone.

        ``by`` is the agent on whose behalf, whose caps apply; empty: the house itself. The leg ends with ``call``.
        Raises ``CallFailed``: 403 beyond a limit, 503 where no trunk could be reached, else the called party's answer.
        """
        if self._cutting:
            raise CallFailed(503, "shutting down")
        listener = self._caller_of(call.id) if early_media else None
        wanted = Wanted(number, call, Shown(shown, name), by, self._codec_of(call.id), answer_within, listener)
        return await self._outside.dial(self.office, wanted)

    @asynccontextmanager
    async def joined(self, caller: Phone, agent: Phone) -> AsyncIterator[Bridge]:
        """As in ``calls.Exchange``. Raises LegGone when either is already over."""
        if not isinstance(caller, Leg) or not isinstance(agent, Leg):
            raise TypeError("only phones of this exchange can be joined")
        with bridge.joined(caller, agent, music=self._music) as talk:
            self._talks[caller.id] = talk
            try:
                yield talk
            finally:
                del self._talks[caller.id]

    @asynccontextmanager
    async def supervising(self, call_id: str, phone: Phone, mode: Mode) -> AsyncIterator[Bridge]:
        """While inside, ``phone`` takes part in the talk of a call as ``mode`` says; ``change`` changes that.

        Nobody else's phone is told. Raises LegGone, and NotPossible where there is no talk or another supervisor in it.
        """
        if not isinstance(phone, Leg):
            raise TypeError("only phones of this exchange can supervise")
        talk = self.talk(call_id)
        talk.supervise(phone, mode)
        try:
            yield talk
        finally:
            talk.dismiss(phone)

    def handed_over(self, consulted: object) -> Phone:
        """The party that the leg ``consulted`` talks to, out of their talk: that leg ends, and whoever asked for the
        party has it now (RFC 5589 section 7.3). Raises CallFailed where the leg is in no talk."""
        for talk in self._talks.values():
            if consulted in (talk.caller, talk.agent):
                return talk.hand_over(talk.agent if consulted is talk.caller else talk.caller)
        raise CallFailed(480, "whom the caller is to be handed to has not answered")

    def talk(self, call_id: str) -> Bridge:
        """The talk that a call is in. Raises NotPossible."""
        if call_id not in self._talks:
            raise NotPossible("nobody talks in this call")
        return self._talks[call_id]

    def _codec_of(self, call_id: str) -> Codec | None:
        caller = self._caller_of(call_id)
        return caller.codec if caller is not None else None

    def _caller_of(self, call_id: str) -> CallerLeg | None:
        callers = (leg for leg in self.office.legs.values() if isinstance(leg, CallerLeg))
        return next((leg for leg in callers if leg.id == call_id), None)

    # -- events ---------------------------------------------------------------------------------------------------

    def _admit(self, request: Request, source: Address) -> int | None:
        return self.guarding.admitted(request, source, self._admission.stranger(request, source))

    def _dispatch(self, event: SipEvent) -> None:
        match event:
            case Invited():
                self._invited(event)
            case Disconnected(peer=peer):
                self.phones.disconnected(peer, self._clock.monotonic())
            case Malformed():
                self.counters["malformed"] += 1
                self.guarding.malformed(event.source)
            case Requested(call=None):
                self._requested(event)
            case Responded(call=None):
                self._enrolments.take(event, self._clock.monotonic())
                self.carriers.take(event, self._clock.monotonic())
            case _:
                leg = self.office.legs.get(event.call or "")
                if leg is not None:
                    leg.take(event)
                elif isinstance(event, Requested):
                    self.office.sip.endpoint.respond(event.transaction, 481, self._clock.monotonic())

    def _invited(self, event: Invited) -> None:
        now = self._clock.monotonic()
        try:
            if self._draining:
                raise Refused(503, "draining", headers=(("Retry-After", str(self._config.retry_after)),))
            admitted = self._admission.decide(event.request, event.source, now)
            line = self._channel(admitted.trunk)
        except Refused as refused:
            self.counters[refused.counter] += 1
            self.office.sip.endpoint.reject(event.call, refused.status, now, refused.reason, refused.headers)
            return
        self.counters["calls"] += 1
        leg = CallerLeg(
            self.office, str(uuid.uuid4()), admitted.codecs, event.call, admitted.offered, admitted.agreed
        )
        leg.offers.far, leg.offers.secured = event.source.host, admitted.secured
        self.office.legs[event.call] = leg
        incoming = IncomingCall(
            trunk=admitted.trunk,
            called=admitted.called,
            calling=admitted.calling.number,
            withheld=admitted.calling.withheld,
            display_name=admitted.calling.display_name,
            sip_call_id=event.request.call_id,
            phone=leg,
            diverted_from=admitted.diverted_from,
        )
        task = asyncio.create_task(self._serve(leg, incoming), name=f"call {leg.id}")
        self._tasks[task] = leg
        if line is not None:
            line.incoming += 1
            task.add_done_callback(lambda _: line.left())
        task.add_done_callback(self._tasks.pop)

    def _overloaded(self) -> int:
        """Seconds that a new caller is asked to wait, or 0."""
        wait = self.overload.refuses(len(self._tasks), self._clock.monotonic())
        self.counters["overloaded"] += wait > 0
        return wait

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
        endpoint, now = self.office.sip.endpoint, self._clock.monotonic()
        if event.request.method == "REGISTER":
            reply = self.phones.register(event.request, event.source, now)
            self.counters[f"register_{reply.status}"] += 1
            self.guarding.registered(reply, event.source)
            self._keepalives.keep(event.source, now)
            endpoint.respond(event.transaction, reply.status, now, headers=reply.headers)
        elif event.request.method == "OPTIONS":
            # Whoever probes us before sending calls learns in time that we are about to stop.
            status = 503 if self._draining else 200
            endpoint.respond(event.transaction, status, now, headers=(("Accept", "application/sdp"),))
        else:
            endpoint.respond(event.transaction, 501, now)

    def _ask_whether_alive(self, binding: Binding, now: float) -> None:
        us = NameAddr(Uri(host=self._config.host_towards(binding.source.host)))
        self.office.sip.endpoint.send_request("OPTIONS", binding.contact, binding.source, from_=us, now=now)

    async def _serve(self, leg: CallerLeg, incoming: IncomingCall) -> None:
        """One call. Whatever happens, its legs are over when this returns."""
        assert self._on_call is not None
        task, refuse_with = asyncio.current_task(), 480
        assert task is not None
        # Not before it runs: a task that is cancelled first never begins, and nobody would note that a caller hung
        # up at once. This one's first word to its phone raises LegGone.
        leg.when_over(lambda hangup: task.cancel() if hangup.by is not Side.HOTLINE else None)
        try:
            await self._on_call(incoming)
        except LegGone:
            pass  # the caller's hang-up was faster than its cancellation
        except Exception as error:  # noqa: BLE001 — the last resort: one call's mishap must not reach another's
            refuse_with = 500
            self.counters["calls_broken"] += 1
            log.error("call %s broke off: %s", leg.id, describe(error))
        finally:
            for left in [leg, *(other for other in self.office.legs.values() if other.for_call == leg.id)]:
                left.release(Hangup(Side.HOTLINE, 200), refuse_with=refuse_with)
