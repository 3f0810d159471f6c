"""The switch room: brings calls in, rings phones, joins them, and leaves nothing behind."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace

from calls.clock import Clock
from calls.events import Event
from calls.phone import Sound
from media.server import MediaServer
from telephony.admission import Admission
from telephony.config import TelephonyConfig
from telephony.enrolment import Enrolments
from telephony.guarding import BanStore, Guarding
from telephony.leg import Leg
from telephony.office import Office
from telephony.outside import Outside
from telephony.overload import Overload
from telephony.phones import Accounts, BindingStore, Phones
from telephony.reception import Reception
from telephony.routes import Routes, resolve
from telephony.serving import SHUTTING_DOWN, OnCall, Serving
from telephony.sip.address import Address
from telephony.sip.config import EndpointConfig
from telephony.sip.endpoint import Endpoint
from telephony.switchboard import Switchboard
from telephony.transport.connections import Connections
from telephony.transport.links import bind_all, links
from telephony.transport.shell import Shell
from telephony.transport.tls import Tls
from telephony.trunking import Trunks
from telephony.trunking.carriers import Carriers
from telephony.trunking.tolls import Tolls


class Telephony(Switchboard):
    """The whole of it. ``counters`` holds plain counts of what was refused or went wrong."""

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
        phones, trunks = Phones(config.realm, self._secret, accounts, clock, bindings), Trunks(config.trunks)
        self.carriers = Carriers(trunks, lambda kind, more: note(Event(kind, clock.now(), details=more)), resolve)
        self.tolls, self.overload = Tolls(config.outside), Overload(config.load)
        outside = Outside(self.carriers, self.tolls, clock, note, resolve)
        self._legs: dict[str, Leg] = {}
        self._serving = Serving(self._legs, self.counters)
        super().__init__(phones, outside, Routes(config, phones), self._serving, Sound(config.hold_music))
        self.guarding = Guarding(
            config.defence, lambda source: trunks.of(source) is not None, phones.is_flow, clock, self.counters, bans
        )
        self._note_line = lambda kind, call, details: note(Event(kind, clock.now(), call, details=details))
        self._enrolments = Enrolments()
        self._reception = Reception(
            config, clock, self.counters, phones, self.guarding, Admission(config, trunks, phones, self.counters),
            self.carriers, self.overload, self._enrolments, self._serving, self,
        )

    # -- life -----------------------------------------------------------------------------------------------------

    async def start(self, on_call: OnCall) -> None:
        """Listen. ``on_call`` is run as one task for each accepted call. Raises ConfigError when the port is taken."""
        tls = Tls(self._config.tls, self.counters)
        listen, sockets = bind_all(self._config.listen, self._config.socket_buffer)
        config = replace(self._config, listen=listen)
        self.port = listen[0].port
        self._serving.on_call = on_call
        endpoint = Endpoint(
            EndpointConfig(
                host=config.contact_host,
                port=self.port,
                towards=config.own,
                streams=True,
                user_agent=config.user_agent,
                supported=("100rel", "replaces", *(("timer",) if config.session_expires else ())),
                registering=("gruu", "path"),
                session_expires=config.session_expires,
                min_se=config.min_se,
                t1=config.t1,
                t2=8 * config.t1,
                t4=10 * config.t1,
                admit=self._reception.admit,
                guard=self.guarding.defence,
                overloaded=self._reception.overloaded,
                shedding=self._reception.shedding,
            )
        )
        keepalives = self._reception.keepalives
        timed = (self.phones, keepalives, self._enrolments, self.carriers)
        sip = Shell(endpoint, self._clock, self._reception.dispatch, self.counters, timed, self.overload)
        self._office = Office(config, sip, self._media, self.counters, self._legs, self._note_line)
        await self.phones.start()
        flows = self.phones.flows()
        for number, flow in enumerate(flows, start=1):  # one after another, not thousands at once
            keepalives.keep(flow, self._clock.monotonic(), config.ask_phones * number / len(flows))
        await self.guarding.start()
        self.connections = Connections(
            config.limits, self.counters, lambda peer: endpoint.needs(peer) or self.phones.is_flow(peer),
            lambda host: self.guarding.defence.welcomes(host, self._clock.monotonic()),
        )
        await sip.open(*links(sockets, self.connections, tls))
        self.carriers.start(endpoint, sip.now, sip.flush)

    async def drain(self, seconds: float) -> None:
        """Refuse new calls (503), wait for running ones, cut what is left after ``seconds``. All is over on return."""
        self._reception.draining = True
        await self._serving.over(seconds)
        self.closing = True
        await self._serving.cut()
        for other in [*self.office.legs.values()]:
            other.release(SHUTTING_DOWN)

    async def close(self) -> None:
        """Cut every call and stop listening. May be called twice, and before ``start``."""
        if self._office is None:
            return
        await self.drain(0)
        await self.carriers.close(self.office.sip.now, self.office.sip.flush)
        await self.office.sip.close()
        self.connections.close_all()
        await self.phones.close()
        await self.guarding.close()
        self._office = None

    def live(self) -> dict[str, int]:
        """What is in use at this moment; all 0 when nothing is left over."""
        counts = {"calls": len(self._serving), "media_nodes": self._media.engine.open_nodes()}
        if self._office is not None:
            counts |= {"legs": len(self._office.legs), **self._office.sip.endpoint.live()}
        return counts

    def registered(self, registrar: Address, user: str, password: str) -> AbstractAsyncContextManager[None]:
        """While inside, be registered at ``registrar`` as ``user``, to be called there. Raises CallFailed."""
        return self._enrolments.registered(self.office.sip, registrar, user, password)

