"""The trunks as they live: registered with, asked whether they are there, and their channels counted."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from calls.errors import CallFailed
from telephony.sip.address import Address
from telephony.sip.auth import ClientCredentials
from telephony.sip.endpoint import Endpoint
from telephony.sip.events import Responded
from telephony.sip.headers import NameAddr
from telephony.sip.registering import Registration
from telephony.sip.uri import Uri
from telephony.trunking.book import Trunks
from telephony.trunking.choice import Standing
from telephony.trunking.health import Health, well
from telephony.trunking.trunk import Trunk

log = logging.getLogger(__name__)
Note = Callable[[str, Mapping[str, object]], None]
"""Writes an event: its kind and details."""
TAKEN_BACK_WITHIN = 2.0
LOOK_UP_AGAIN = 60.0
"""Seconds until a host name that has no address is asked for again."""
DOUBTFUL = 30.0
"""Seconds for which a trunk that met a call with silence is the last resort."""


@dataclass(eq=False, slots=True)
class Line:
    """One trunk and what is known of it. Times are monotonic seconds."""

    trunk: Trunk
    health: Health
    address: Address | None = None
    """Where it is asked and registered with, once its name is looked up."""
    registration: Registration | None = None
    incoming: int = 0
    outgoing: int = 0
    closed_until: float = 0.0
    doubtful_until: float = 0.0
    question: str = ""
    """The OPTIONS that waits for its answer."""
    due: float | None = None
    """When to ask next, or when to stop waiting for the answer."""

    @property
    def registered(self) -> bool:
        """Whether the carrier granted our registration, or wants none."""
        return not self.trunk.registers or (self.registration is not None and self.registration.registered)

    @property
    def well(self) -> bool:
        return self.health.up and self.registered

    def full(self) -> bool:
        """Whether no further call may come in."""
        return 0 < self.trunk.channels_in <= self.incoming

    def let_go(self) -> None:
        """One of our calls there is over."""
        self.outgoing -= 1

    def left(self) -> None:
        """One of the calls that came in there is over."""
        self.incoming -= 1


class Carriers:
    """All lines; woken by the transport's timer and fed with responses outside dialogs."""

    def __init__(self, trunks: Trunks, note: Note, resolve: Callable[[Uri], Awaitable[Address]]) -> None:
        self._trunks, self._note, self._resolve = trunks, note, resolve
        self.lines = {trunk.name: Line(trunk, Health(trunk.probe)) for trunk in trunks.all}
        self._endpoint: Endpoint | None = None
        self._lookups: list[asyncio.Task[None]] = []
        self._at_rest = asyncio.Event()

    # -- questions ------------------------------------------------------------------------------------------------

    def standings(self) -> Iterable[Standing]:
        """What the choice of a way out is made from."""
        for line in self.lines.values():
            yield Standing(
                line.trunk, line.health.up, line.registered, line.outgoing, line.closed_until, line.doubtful_until
            )

    def left_alone(self, name: str, seconds: float, now: float) -> None:
        """The trunk answered 503 with Retry-After."""
        self.lines[name].closed_until = now + seconds
        self._tell("trunk.closed", self.lines[name], {"seconds": seconds})

    def doubted(self, name: str, now: float) -> None:
        """A call met silence there."""
        self.lines[name].doubtful_until = now + DOUBTFUL

    # -- life -----------------------------------------------------------------------------------------------------

    def start(self, endpoint: Endpoint, now: Callable[[], float], flush: Callable[[], None]) -> None:
        """Begin to register and to ask."""
        self._endpoint = endpoint
        for line in self.lines.values():
            if line.trunk.outbound is not None and (line.trunk.registers or line.trunk.probe.every):
                self._lookups.append(asyncio.create_task(self._open(line, line.trunk.outbound, now, flush)))

    async def close(self, now: Callable[[], float], flush: Callable[[], None]) -> None:
        """Take every registration back, and wait a moment until that is granted: it may be challenged."""
        for task in self._lookups:
            task.cancel()
        await asyncio.gather(*self._lookups, return_exceptions=True)
        for line in self.lines.values():
            line.due = None
            if line.registration is not None:
                line.registration.stop(now())
        flush()
        try:
            async with asyncio.timeout(TAKEN_BACK_WITHIN):
                while not all(line.registration is None or line.registration.at_rest for line in self.lines.values()):
                    self._at_rest.clear()
                    await self._at_rest.wait()
        except TimeoutError:
            log.warning("a carrier does not answer: our registration there ends by itself")

    async def _open(
        self, line: Line, outbound: Address, now: Callable[[], float], flush: Callable[[], None]
    ) -> None:
        """Look the trunk's host up, again and again where it has no address, then begin."""
        while line.address is None:
            try:
                line.address = await self._resolve(Uri.at(outbound))
            except CallFailed:
                log.warning("trunk %s: its host has no address; looked up again in a minute", line.trunk.name)
                await asyncio.sleep(LOOK_UP_AGAIN)
        if line.trunk.registers:
            self._register(line, outbound, line.address, now())
        if line.trunk.probe.every:
            line.due = now()
        flush()

    def _register(self, line: Line, outbound: Address, address: Address, now: float) -> None:
        assert self._endpoint is not None
        registrar, trunk = Uri.at(outbound), line.trunk
        token = self._endpoint.config.ids()
        self._trunks.listen(token, address, trunk)
        line.registration = Registration(
            self._endpoint, registrar, address, NameAddr(Uri(user=trunk.user, host=registrar.host)),
            ClientCredentials(trunk.user, trunk.password), expires=trunk.registers, line=token,
        )
        line.registration.start(now)

    # -- events and timers ----------------------------------------------------------------------------------------

    def take(self, event: Responded, now: float) -> None:
        """A response outside any dialog: whichever line asked for it."""
        for line in self.lines.values():
            if line.question and event.transaction == line.question:
                self._asked(line, well(event.response.status), now)
            elif line.registration is not None:
                before = line.registered
                if line.registration.handle(event, now):
                    self._registered(line, before)

    def deadline(self) -> float | None:
        return min(self._deadlines(), default=None)

    def _deadlines(self) -> Iterable[float]:
        for line in self.lines.values():
            if line.due is not None:
                yield line.due
            if line.registration is not None and (due := line.registration.deadline()) is not None:
                yield due

    def tick(self, now: float) -> None:
        for line in self.lines.values():
            if line.registration is not None:
                line.registration.tick(now)
            if line.due is None or now < line.due:
                continue
            if line.question:
                self._asked(line, False, now)
            else:
                self._ask(line, now)

    def _ask(self, line: Line, now: float) -> None:
        assert self._endpoint is not None
        assert line.address is not None
        own = NameAddr.parse(self._endpoint.config.contact(line.address))
        line.question = self._endpoint.send_request(
            "OPTIONS", Uri.at(line.address), line.address, from_=NameAddr(Uri(host=own.uri.host)),
            headers=[("Accept", "application/sdp"), ("Contact", str(own))], now=now,
        )
        line.due = now + line.trunk.silent_after

    def _asked(self, line: Line, answered: bool, now: float) -> None:
        line.question, line.due = "", now + line.trunk.probe.every
        if line.health.heard(answered):
            self._tell("trunk.up" if line.health.up else "trunk.down", line, {})

    def _registered(self, line: Line, before: bool) -> None:
        assert line.registration is not None
        if line.registration.at_rest:
            self._at_rest.set()
        if line.registered and not before:
            self._tell("trunk.registered", line, {})
        elif not line.registered and not (200 <= line.registration.status < 300):
            refused = line.registration.status in (401, 403, 407)
            why = "the carrier does not accept user and password" if refused else "the carrier did not grant it"
            self._tell("trunk.unregistered", line, {"status": line.registration.status, "why": why})

    def _tell(self, kind: str, line: Line, details: Mapping[str, object]) -> None:
        words = " ".join(f"{key}={value}" for key, value in details.items())
        log.log(logging.INFO if line.well else logging.WARNING, "trunk %s: %s %s", line.trunk.name, kind, words)
        self._note(kind, {"trunk": line.trunk.name, **details})


def faults(lines: Sequence[Line]) -> list[str]:
    """The names of the trunks that are down or not registered."""
    return [line.trunk.name for line in lines if not line.well]
