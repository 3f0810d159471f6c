"""A far side for tests: our own endpoint on its own socket, with a bare RTP socket beside it."""

from __future__ import annotations

import asyncio
import itertools
import socket
import struct
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Self, TypeVar

from calls.clock import SystemClock
from media.engine import Codec
from telephony import sdp
from telephony.sip.address import Address, Transport
from telephony.sip.auth import ClientCredentials
from telephony.sip.config import EndpointConfig
from telephony.sip.endpoint import Endpoint
from telephony.sip.events import Requested, SipEvent
from telephony.sip.headers import NameAddr
from telephony.sip.message import Message
from telephony.sip.uri import Uri
from telephony.transport.connections import Connections, Limits
from telephony.transport.links import bind_all, links
from telephony.transport.shell import Shell
from telephony.transport.tls import Tls, TlsFiles

E = TypeVar("E", bound=SipEvent)
T1 = 0.1
"""Seconds; on loopback nothing takes longer."""
PATIENCE = 5.0


class Softphone:
    """``sees`` waits for events, ``sip`` speaks; requests inside dialogs are answered with 200 by itself."""

    def __init__(
        self, ip: str = "127.0.0.2", user: str = "13800138000", codecs: Sequence[Codec] = (Codec.PCMA, Codec.PCMU),
        over: Sequence[Transport] = (Transport.UDP,), tls: TlsFiles | None = None,
    ) -> None:
        """Listens over these transports on one port; ``address`` is the first."""
        self.ip, self.user, self.codecs = ip, user, tuple(codecs)
        (self.address, *_), sockets = bind_all([Address(ip, 0, transport) for transport in over], 65536)
        self.counters = Counter[str]()
        self.connections = Connections(Limits(), self.counters, lambda peer: True)
        self._links = links(sockets, self.connections, Tls(tls or TlsFiles(verify=False), self.counters))
        config = EndpointConfig(host=ip, port=self.address.port, contact_user=user, t1=T1, t2=8 * T1, t4=10 * T1)
        self.sip = Endpoint(config)
        self.shell = Shell(self.sip, SystemClock(), self._take, self.counters)
        self.rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.rtp.bind((ip, 0))
        self.rtp.setblocking(False)
        self.answers_requests = True
        self._seen: list[SipEvent] = []
        self._news = asyncio.Event()
        self._sequence = 0

    async def __aenter__(self) -> Self:
        await self.shell.open(*self._links)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.shell.close()
        self.rtp.close()

    @property
    def uri(self) -> str:
        return str(Uri.at(self.address, self.user))

    @property
    def now(self) -> float:
        return self.shell.now()

    def _take(self, event: SipEvent) -> None:
        if isinstance(event, Requested) and self.answers_requests:
            self.sip.respond(event.transaction, 200, self.now)
        self._seen.append(event)
        self._news.set()

    async def sees(self, kind: type[E]) -> E:
        """Wait for the next event of this kind and take it."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for event in self._seen:
                    if isinstance(event, kind):
                        self._seen.remove(event)
                        return event
                self._news.clear()
                await self._news.wait()

    def saw(self, kind: type[E]) -> list[E]:
        return [event for event in self._seen if isinstance(event, kind)]

    # -- what a telephone does --------------------------------------------------------------------------------------

    def local(self, version: int = 1) -> sdp.Local:
        return sdp.Local(self.ip, self.rtp.getsockname()[1], 1, version)

    def offer(self, direction: sdp.Direction = sdp.Direction.SENDRECV) -> bytes:
        return sdp.offer(self.local(), self.codecs, direction)

    def calls(
        self,
        number: str,
        at: Address,
        body: bytes | None = None,
        headers: Sequence[tuple[str, str]] = (),
        credentials: ClientCredentials | None = None,
    ) -> str:
        call = self.sip.invite(
            Uri.at(at, number),
            at,
            from_=NameAddr(Uri(user=self.user, host=self.ip)),
            body=self.offer() if body is None else body,
            headers=headers,
            credentials=credentials,
            now=self.now,
        )
        self.shell.flush()
        return call

    def answers(self, call: str, offer: bytes) -> sdp.Agreed:
        remote = sdp.parse(offer)
        agreed = sdp.negotiate(remote, self.codecs)
        self.sip.answer(call, sdp.answer(remote, agreed, self.local()), self.now)
        self.shell.flush()
        return agreed

    def rejects(self, call: str, status: int) -> None:
        self.sip.reject(call, status, self.now)
        self.shell.flush()

    def hangs_up(self, call: str) -> None:
        self.sip.hang_up(call, self.now)
        self.shell.flush()

    def registers(self, at: Address, password: str, expires: int = 600, q: float = 1) -> str:
        """Send a REGISTER; ``Responded`` tells how it went."""
        self._sequence += 1
        me = NameAddr(Uri(user=self.user, host="hotline"))
        key = self.sip.send_request(
            "REGISTER",
            Uri.at(at),
            at,
            from_=me,
            to=me,
            headers=(("Contact", f"<{self.uri}>;q={q:g}"), ("Expires", str(expires))),
            credentials=ClientCredentials(self.user, password),
            sequence=self._sequence,
            now=self.now,
        )
        self.shell.flush()
        return key

    def asks(self, method: str, at: Address) -> str:
        """Send a request outside any dialog."""
        target = Uri.at(at)
        key = self.sip.send_request(method, target, at, from_=NameAddr(Uri(user=self.user, host=self.ip)), now=self.now)
        self.shell.flush()
        return key

    # -- audio ------------------------------------------------------------------------------------------------------

    def speaks(self, to: tuple[str, int], packets: Sequence[bytes], payload_type: int = 8, sequence: int = 0) -> None:
        """Send RTP packets of 160 samples each."""
        for number, payload in enumerate(packets, start=sequence):
            header = struct.pack("!BBHII", 0x80, payload_type, number, number * 160, 0x1234)
            self.rtp.sendto(header + payload, to)

    async def hears(self) -> tuple[int, bytes]:
        """The payload type and payload of the next RTP packet."""
        async with asyncio.timeout(PATIENCE):
            data = await asyncio.get_running_loop().sock_recv(self.rtp, 2048)
        return data[1] & 0x7F, data[12:]

    def forgets_what_it_heard(self) -> None:
        while True:
            try:
                self.rtp.recv(2048)
            except BlockingIOError:
                return


async def hears(phone: Softphone, wanted: bytes, speak: Callable[[int], None]) -> None:
    """Let the other side speak, packet after packet, until ``phone`` hears exactly ``wanted``."""
    async with asyncio.timeout(PATIENCE):
        for number in itertools.count():
            speak(number)
            try:
                async with asyncio.timeout(0.1):  # what was said before the gains were set is lost
                    if (await phone.hears())[1] == wanted:
                        return
            except TimeoutError:
                continue


def media_of(message: Message) -> tuple[str, int]:
    """Where the SDP of a message wants its audio."""
    stream = sdp.parse(message.body).streams[0]
    return stream.address, stream.port

