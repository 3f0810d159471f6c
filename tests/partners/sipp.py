"""SIPp as caller and as fixed-contact phone. SIPp signals; ``rtp.Line`` beside it hears and speaks.

The scenarios are in ``tests/sipp``. A running scenario is told what to do next by a made-up request that carries the
call's Call-ID (``HANGUP``, ``HOLD``, ``RESUME``, ``TRANSFER``): every SIP message to the far side is SIPp's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.partners.audio import Pcm, contains
from tests.partners.process import ROOT, free_port, launch, port_is_free, stop, until
from tests.partners.rtp import G711, PCMA, Line
from tests.partners.sipp_log import MessageLog, Wire
from tests.partners.tunnel import Certificate, Tunnel, written

SCENARIOS = ROOT / "tests" / "sipp"
ORDERS = {"HOLD": "INVITE", "RESUME": "INVITE", "TRANSFER": "REFER", "PROCEED": ""}
"""What may be ordered in the middle of a call, and how the message begins with which SIPp obeys."""
WITHHELD = '"Anonymous" <sip:anonymous@anonymous.invalid>'


@dataclass
class CallRefused(Exception):
    """The far side refused the call with this final status."""

    status: int

    def __str__(self) -> str:
        return f"the call was refused with {self.status}"


class Sipp:
    """One SIPp process with one call, and the line that its SDP names."""

    def __init__(self, scenario: str, *, ip: str = "127.0.0.2", port: int = 0, payload_type: int = PCMA,
                 formats: str = "", pause_ms: int = 0, calls: int = 1, over: str = "udp", ear: str = "",
                 server: tuple[str, int] | None = None, tls: Certificate | None = None) -> None:
        """``over`` is udp or tcp; the audio is at ``ear``, or at ``ip`` as well. ``server`` is whom SIPp calls; None:
        it is called. SIPp has no TLS of its own: with ``tls`` there is a tunnel in front of it, and it listens
        elsewhere than at ``port``. Whom it calls must show that certificate; who calls it is shown it."""
        self.transport = "tls" if tls else over
        self._stream = self.transport != "udp"
        self.host = f"[{ip}]" if ":" in ip else ip
        self.scenario = SCENARIOS / f"{scenario}.xml"
        self.ip, self.port = ip, port or free_port(ip)
        self._own_port = self.port if tls is None else free_port(ip)
        self.server = server
        self._tunnel = None if tls is None else self._dig(tls)
        self.pause_ms, self.calls = pause_ms, calls
        self.formats = formats or f"{payload_type} 101"
        self.line = Line(ear or ip, payload_type)
        self._call_ids = f"{uuid.uuid4().hex}-%u"
        self._orders = itertools.count(1)

    @property
    def _kind(self) -> socket.SocketKind:
        return socket.SOCK_STREAM if self._stream else socket.SOCK_DGRAM

    def _dig(self, tls: Certificate) -> Tunnel:
        if self.server is not None:
            return Tunnel.out((self.ip, self.port), self.server, tls[0])
        return Tunnel.into((self.ip, self.port), (self.ip, self._own_port), tls)

    def _target(self) -> list[str]:
        if self.server is None:
            return []
        first_hop = [] if self._tunnel is None else ["-rsa", written(self._tunnel.door)]
        return [*first_hop, written(self.server)]

    def _keys(self) -> dict[str, str]:
        return {"ear_ip": self.line.address[0], "ear_port": str(self.line.address[1]), "formats": self.formats}

    def _scenario(self) -> str:
        text = self.scenario.read_text()
        if self._stream:
            text = text.replace("SIP/2.0/UDP", f"SIP/2.0/{self.transport.upper()}")
            text = text.replace("[transport]", self.transport.upper())
            text = text.replace("[local_port]>", f"[local_port];transport={self.transport}>")
        text = text.replace("[local_port]", str(self.port))
        if ":" in self.line.address[0]:
            text = text.replace("IN IP4 [ear_ip]", "IN IP6 [ear_ip]")
        return text

    def _command(self) -> list[str]:
        keys = [word for name, value in self._keys().items() for word in ("-key", name, value)]
        return ["sipp", *self._target(), "-sf", "scenario.xml", "-i", self.host, "-p", str(self._own_port),
                "-t", "t1" if self._stream else "u1",
                "-bind_local", "-nostdin", "-m", str(self.calls), "-d", str(self.pause_ms), "-aa",
                "-cid_str", self._call_ids, "-trace_msg", "-message_file", "messages.log",
                "-trace_err", "-error_file", "errors.log", *keys]

    async def __aenter__(self) -> Self:
        self._temporary = tempfile.TemporaryDirectory(prefix="sipp-")
        self.folder = Path(self._temporary.name)
        self._log = MessageLog(self.folder / "messages.log")
        (self.folder / "scenario.xml").write_text(self._scenario())
        if self._tunnel is not None:
            await self._tunnel.open(self.folder)
        self._process = await launch(self._command(), self.folder)
        self._follower = asyncio.create_task(self._follow())
        await until(lambda: self.listening or self._process.returncode is not None, 5, "SIPp's socket")
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        traceback: TracebackType | None) -> None:
        self._follower.cancel()
        await stop(self._process, grace=0)
        if self._tunnel is not None:
            await self._tunnel.close()
        self.line.close()
        self._log.refresh()  # what came last can still be asked for
        self._temporary.cleanup()

    async def _follow(self) -> None:
        """Let the mouth speak to wherever the latest SDP of the far side points."""
        while True:
            for message in reversed(self.messages):
                if not message.sent and message.audio:
                    self.line.connect(*message.audio)
                    if message.audio_format in G711 and self.line.mouth.payload_type in G711:
                        self.line.mouth.payload_type = message.audio_format
                    break
            await asyncio.sleep(0.005)

    @property
    def listening(self) -> bool:
        """Whether SIPp has bound its port."""
        return not port_is_free(self.ip, self._own_port, self._kind)

    @property
    def messages(self) -> list[Wire]:
        """Every SIP message so far, oldest first."""
        return self._log.refresh()

    @property
    def statuses(self) -> list[int]:
        """The statuses received in answer to our INVITEs, in order."""
        return [m.status for m in self.messages if not m.sent and m.status is not None and m.method == "INVITE"]

    def received(self, what: str | int) -> list[Wire]:
        """Received requests with a method (``"BYE"``), or received responses with a status (``180``)."""
        return [m for m in self.messages if not m.sent and what == (m.status if isinstance(what, int) else m.method)
                and isinstance(what, int) == (m.status is not None)]

    async def receives(self, what: str | int, timeout: float = 5.0) -> Wire:
        """Wait for the first such message (see ``received``)."""
        await self.comes(lambda: bool(self.received(what)), timeout, str(what))
        return self.received(what)[0]

    async def comes(self, condition: Callable[[], bool], timeout: float, what: str) -> None:
        """Wait; a SIPp that has ended with an error in the meantime is reported with its words."""
        def over() -> bool:
            return condition() or self._process.returncode not in (None, 0)
        try:
            await until(over, timeout, f"SIPp {self.scenario.stem}: {what}")
        except TimeoutError as late:
            raise TimeoutError(f"{late}; {self.story()}") from None
        if not condition():
            raise RuntimeError(f"SIPp {self.scenario.stem} gave up waiting for {what}; {self.story()}")

    def story(self) -> str:
        """The messages so far and what SIPp itself complained of; for the message of a failing test."""
        ways = [f"{'>' if m.sent else '<'} {m.first_line}" for m in self.messages]
        logs = [self.folder / name for name in ("errors.log", "output.log")]
        return "\n".join(["so far:", *ways, *(log.read_text(errors="replace")[-1000:] for log in logs if log.exists())])

    def _call_id(self) -> str:
        return self._call_ids.replace("%u", "1")

    async def order(self, what: str, *headers: str) -> None:
        """Tell the scenario what to do now (one of ``ORDERS``, or HANGUP), again until it obeys: an order that meets
        SIPp between two steps is let pass. Waits for the INVITE first, some 0.1 s after SIPp was started."""
        await self.comes(lambda: any(m.method == "INVITE" for m in self.messages), 10, "an INVITE")
        before, deadline = self._sent(ORDERS.get(what, "")), time.monotonic() + 5

        def obeyed() -> bool:
            if what in ORDERS and self._sent(ORDERS[what]) > before:
                return True
            return self.over and what != "PROCEED"  # which may be what the end of the call waits for

        while not obeyed() and self._process.returncode is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"SIPp {self.scenario.stem} does not obey {what}; {self.story()}")
            self._tell(what, headers)
            with contextlib.suppress(TimeoutError):
                await until(obeyed, 0.1)

    def _tell(self, what: str, headers: Sequence[str]) -> None:
        # A number makes every order differ: SIPp takes an identical message for a retransmission.
        number = next(self._orders)
        text = "\r\n".join([
            f"{what} sip:sipp@{self.ip} SIP/2.0", f"Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK-order-{number}",
            "From: <sip:test@127.0.0.1>;tag=test", f"To: <sip:sipp@{self.ip}>", f"Call-ID: {self._call_id()}",
            f"CSeq: 0 {what}", *headers, "Content-Length: 0", "", "",
        ])
        with socket.socket(socket.AF_INET6 if ":" in self.ip else socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(text.encode(), (self.ip, self.port))

    def _sent(self, beginning: str) -> int:
        """How many messages SIPp has sent that begin so."""
        return sum(m.sent and m.first_line.startswith(beginning) for m in self.messages)

    def says(self, pcm: Pcm) -> None:
        """Queue speech; it goes out as soon as the call has audio."""
        self.line.mouth.say(pcm)

    async def said(self, timeout: float = 30.0) -> float:
        """Wait until everything has been said; when the last packet of speech went out (``time.monotonic()``)."""
        await until(lambda: self.line.mouth.idle, timeout, "said everything")
        return self.line.mouth.spoken_at or 0.0

    def press(self, key: str) -> None:
        """Press a key (RFC 4733)."""
        self.line.mouth.press(key)

    def heard(self) -> Pcm:
        """Everything heard so far."""
        return self.line.ear.heard()

    def digits(self) -> str:
        """The keys that the far side pressed so far."""
        return self.line.ear.keys()

    async def hears(self, pcm: Pcm, timeout: float = 10.0, at_least: float = 0.9) -> None:
        """Wait until all of ``pcm`` has been heard."""
        deadline = time.monotonic() + timeout
        while not contains(pcm, self.heard(), at_least):
            if time.monotonic() > deadline:
                raise TimeoutError(f"not heard within {timeout:g} s")
            await asyncio.sleep(0.1)

    @property
    def over(self) -> bool:
        """Whether the call was refused, or a BYE or CANCEL has passed."""
        return any(((m.status or 0) >= 300 and m.method == "INVITE") or m.first_line.startswith(("BYE", "CANCEL"))
                   for m in self.messages)

    async def hang_up(self) -> None:
        """CANCEL or BYE, whichever the moment needs; nothing when the call is over already."""
        await self.order("HANGUP")

    async def unplug(self) -> None:
        """Signalling and audio stop at once, without a word."""
        self.line.mouth.silent = True
        await stop(self._process, grace=0)

    async def ended(self, timeout: float = 5.0, *, check: bool = True) -> int:
        """Wait until SIPp has ended; its exit code, 0 when the scenario went as written. Any other raises
        RuntimeError with SIPp's own words, unless ``check`` is False."""
        try:
            code = await asyncio.wait_for(self._process.wait(), timeout)
        except TimeoutError:
            raise TimeoutError(f"SIPp {self.scenario.stem} did not end in {timeout:g} s; {self.story()}") from None
        self.line.mouth.silent = True
        if check and code:
            raise RuntimeError(f"SIPp {self.scenario.stem} ended with {code}; {self.story()}")
        return code


class SippCaller(Sipp):
    """A customer who dials ``dialled`` at ``server`` from the address ``ip``."""

    def __init__(self, server: tuple[str, int], dialled: str, *, number: str | None = "13800138000", name: str = "",
                 asserted: str | None = None, ip: str = "127.0.0.2", port: int = 0, scenario: str = "uac_call",
                 payload_type: int = PCMA, formats: str = "", pause_ms: int = 0, headers: Sequence[str] = (),
                 digits: str = "", calls: int = 1, over: str = "udp", ear: str = "",
                 tls: Certificate | None = None) -> None:
        """``number`` goes into From (None: withheld), ``asserted`` into P-Asserted-Identity; ``headers`` are further
        header lines. ``formats`` overrides the payload types offered; ``pause_ms`` and ``digits`` are for the timed
        scenarios."""
        super().__init__(scenario, ip=ip, port=port, payload_type=payload_type, formats=formats, pause_ms=pause_ms,
                         calls=calls, over=over, ear=ear, server=server, tls=tls)
        self.dialled, self.digits_to_press = dialled, digits
        shown = f'"{name}" ' if name else ""
        self.caller = WITHHELD if number is None else f"{shown}<sip:{number}@{self.host}>"
        lines = [*([f"P-Asserted-Identity: <sip:{asserted}@{self.host}>"] if asserted else []), *headers]
        # An empty line would end the header, so there is always one to write.
        self.identity = "\r\n".join(lines) or "Subject: telephone call"

    def _keys(self) -> dict[str, str]:
        keys = super()._keys() | {"caller": self.caller, "identity": self.identity, "dialled": self.dialled}
        return keys | ({"digits": self.digits_to_press} if self.digits_to_press else {})

    async def rings(self, timeout: float = 5.0) -> Wire:
        """Wait for 180 Ringing."""
        return await self.receives(180, timeout)

    async def answered(self, timeout: float = 5.0) -> Wire:
        """Wait for the 200 to the INVITE; raises ``CallRefused`` on any other final status."""
        def final() -> list[Wire]:
            return [m for m in self.messages if not m.sent and (m.status or 0) >= 200 and m.method == "INVITE"]
        await self.comes(lambda: bool(final()), timeout, "an answer")
        first = final()[0]
        if first.status is not None and first.status >= 300:
            raise CallRefused(first.status)
        self.line.connect(*(first.audio or ("127.0.0.1", 9)))
        return first

    async def hold(self) -> None:
        """Re-INVITE with sendonly."""
        await self.order("HOLD")

    async def unhold(self) -> None:
        """Re-INVITE with sendrecv."""
        await self.order("RESUME")


class SippAgent(Sipp):
    """A phone with a fixed contact that answers after ``answer_after`` seconds, or as its scenario says."""

    def __init__(self, user: str = "1001", *, ip: str = "127.0.0.5", port: int = 0, answer_after: float = 0.2,
                 scenario: str = "uas_agent", refusal: str = "486 Busy Here", payload_type: int = PCMA,
                 calls: int = 1, over: str = "udp", tls: Certificate | None = None) -> None:
        super().__init__(scenario, ip=ip, port=port, payload_type=payload_type,
                         pause_ms=round(answer_after * 1000), calls=calls, over=over, tls=tls)
        self.user, self.refusal = user, refusal

    @property
    def contact(self) -> str:
        return f"sip:{self.user}@{self.host}:{self.port}" + (f";transport={self.transport}" if self._stream else "")

    def _keys(self) -> dict[str, str]:
        return super()._keys() | {"user": self.user}

    def _scenario(self) -> str:
        return super()._scenario().replace("486 Busy Here", self.refusal)

    def _call_id(self) -> str:
        """The Call-ID that the far side chose."""
        return self.received("INVITE")[-1].header("Call-ID")

    async def rings(self, timeout: float = 10.0) -> Wire:
        """Wait for the INVITE."""
        return await self.receives("INVITE", timeout)

    async def connected(self, timeout: float = 10.0) -> Wire:
        """Wait for the ACK."""
        return await self.receives("ACK", timeout)
