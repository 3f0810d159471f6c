"""One interface for agents' phones of different make, and the parent's side of those that run in a process of ours."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Protocol, Self

import numpy as np

from tests.partners.audio import Pcm, contains, read_wav, write_wav
from tests.partners.process import free_port, launch, stop, until


@dataclass(frozen=True, slots=True)
class Incoming:
    """What a phone shows while it rings. ``at`` is ``time.monotonic()`` as this side learned of it."""

    from_user: str
    display_name: str = ""
    pai: str = ""
    """The user of P-Asserted-Identity; empty when absent."""
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class PhoneSettings:
    """How a phone is set up. Without a ``registrar`` it is a phone with a fixed contact."""

    user: str = "1001"
    password: str = ""
    registrar: tuple[str, int] | None = None
    ip: str = "127.0.0.11"
    port: int = 0
    """0 takes a free one."""
    answer_after: float | None = None
    """Answer every call by itself after so many seconds; None waits for ``answer``."""
    reject_with: int | None = None
    """Refuse every call with this status."""
    codec: str = "PCMA"
    """Preferred, by its name in SDP."""
    srtp: bool = False
    """Nothing but SRTP, with keys in SDP."""
    drops: tuple[int, int] = (0, 0)
    """Per cent of the RTP packets that it loses of those that it sends, and of those that come. Only pjsua2 can."""
    rtcp_mux: bool = False
    """Wants reports and audio on one port. Only pjsua2 can."""
    expires: int = 300
    over: str = "udp"
    """Or tcp, or tls, where the make can; an untrusted certificate is taken."""

    def __post_init__(self) -> None:
        if not self.port:
            object.__setattr__(self, "port", free_port(self.ip))

    @property
    def contact(self) -> str:
        return f"sip:{self.user}@{self.ip}:{self.port}"


class PhonePartner(Protocol):
    """A phone that somebody else wrote. ``async with`` starts it; leaving the block kills its process."""

    settings: PhoneSettings

    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        traceback: TracebackType | None) -> None: ...

    async def registered(self, timeout: float = 5.0) -> None:
        """Wait until the registrar has accepted the phone; RuntimeError names the status when it refused."""

    async def unregister(self) -> None:
        """Take the registration back, as at the end of a shift."""

    async def rings(self, timeout: float = 10.0) -> Incoming:
        """Wait for the next incoming call (each call is reported once)."""

    async def answer(self) -> None:
        """Pick up."""

    async def reject(self, code: int = 486) -> None:
        """Refuse the ringing call."""

    async def connected(self, timeout: float = 10.0) -> None:
        """Wait until the next call is up."""

    async def ended(self, timeout: float = 10.0) -> None:
        """Wait until the next call is over, whoever ended it, or stopped ringing."""

    async def hang_up(self) -> None:
        """End the call."""

    async def unplug(self) -> None:
        """Pull the plug: the process is gone at once, nothing is sent."""

    async def press(self, key: str) -> None:
        """Press a key (RFC 4733)."""

    def digits(self) -> str:
        """The keys that the far side has pressed so far."""

    async def says(self, pcm: Pcm) -> None:
        """Say this now, once; silence follows. What was being said is cut off."""

    def heard(self) -> Pcm:
        """What was heard in the latest call."""

    async def hears(self, pcm: Pcm, timeout: float = 10.0, at_least: float = 0.9) -> None:
        """Wait until all of ``pcm`` has been heard."""

    async def hold(self) -> None: ...
    async def unhold(self) -> None: ...

    async def call(self, uri: str) -> None:
        """Dial."""


@dataclass(frozen=True, slots=True)
class Told:
    """One event that a phone told of."""

    at: float
    event: str
    details: dict[str, Any] = field(default_factory=dict)


class EventfulPhone:
    """What all our phones share: events in order, each waited for once, and a temporary folder."""

    def __init__(self, settings: PhoneSettings | None = None, **options: Any) -> None:
        self.settings = settings or PhoneSettings(**options)
        self.events: list[Told] = []
        self._taken: Counter[str] = Counter()
        self._sentences = 0
        self._temporary = tempfile.TemporaryDirectory(prefix="phone-")
        self.folder = Path(self._temporary.name)

    def _told(self, event: str, **details: Any) -> None:
        self.events.append(Told(time.monotonic(), event, details))

    def _all(self, event: str) -> list[Told]:
        return [told for told in self.events if told.event == event]

    async def _next(self, event: str, timeout: float) -> Told:
        """Wait for the next event of this name that nobody has waited for yet."""
        taken = self._taken[event]
        try:
            await until(lambda: len(self._all(event)) > taken, timeout, f"{type(self).__name__}: {event}")
        except TimeoutError as late:
            raise TimeoutError(f"{late}; {self.story()}") from None
        self._taken[event] += 1
        return self._all(event)[taken]

    def story(self) -> str:
        """The events so far and the end of what the phone printed; for the message of a failing test."""
        log = self.folder / "output.log"
        printed = log.read_text(errors="replace")[-1500:] if log.exists() else ""
        return f"so far: {[(told.event, told.details) for told in self.events]}\n{printed}"

    def _sentence(self, pcm: Pcm) -> Path:
        self._sentences += 1
        return write_wav(self.folder / f"says-{self._sentences}.wav", pcm)

    def heard(self) -> Pcm:
        raise NotImplementedError

    async def hears(self, pcm: Pcm, timeout: float = 10.0, at_least: float = 0.9) -> None:
        """Wait until all of ``pcm`` has been heard."""
        deadline = time.monotonic() + timeout
        while not contains(pcm, self.heard(), at_least):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{type(self).__name__} has not heard it within {timeout:g} s; {self.story()}")
            await asyncio.sleep(0.1)

    async def registered(self, timeout: float = 5.0) -> None:
        """Wait until the registrar has accepted the phone; RuntimeError names the status when it refused."""
        await until(lambda: bool(self._all("registered") or self._all("register_failed")), timeout, "registration")
        if not self._all("registered"):
            raise RuntimeError(f"registration refused: {self._all('register_failed')[-1].details}")

    async def rings(self, timeout: float = 10.0) -> Incoming:
        """Wait for the next incoming call."""
        told = await self._next("incoming", timeout)
        return Incoming(at=told.at, **told.details)

    async def connected(self, timeout: float = 10.0) -> None:
        """Wait until the next call is up."""
        await self._next("connected", timeout)

    async def ended(self, timeout: float = 10.0) -> None:
        """Wait until the next call is over."""
        await self._next("ended", timeout)

    def digits(self) -> str:
        """The keys that the far side has pressed so far."""
        return "".join(told.details["key"] for told in self._all("digit"))


class ProcessPhone(EventfulPhone):
    """A phone whose library runs in a Python process of its own (``python -m module``).

    One JSON object a line: settings first, then orders in (``{"do": "answer"}``) and events out
    (``{"event": "incoming", "from_user": …}``).
    """

    module: ClassVar[str]

    async def __aenter__(self) -> Self:
        self._process: Process = await launch(
            [sys.executable, "-m", self.module], self.folder, stdin=PIPE, stdout=PIPE)
        self._listener = asyncio.create_task(self._listen())
        self._send(asdict(self.settings) | {"folder": str(self.folder)})
        await self._next("started", 15)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        traceback: TracebackType | None) -> None:
        await stop(self._process, grace=0)
        self._listener.cancel()
        self._temporary.cleanup()

    async def _listen(self) -> None:
        assert self._process.stdout
        async for line in self._process.stdout:
            with contextlib.suppress(json.JSONDecodeError):  # the libraries print a word of their own now and then
                told = json.loads(line)
                self._told(told.pop("event"), **told)

    def _send(self, order: dict[str, Any]) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(order).encode() + b"\n")

    def _do(self, what: str, **details: Any) -> None:
        self._send({"do": what, **details})

    async def unregister(self) -> None:
        """Take the registration back."""
        self._do("unregister")

    async def answer(self) -> None:
        """Pick up."""
        self._do("answer")

    async def reject(self, code: int = 486) -> None:
        """Refuse the ringing call."""
        self._do("reject", code=code)

    async def hang_up(self) -> None:
        """End the call."""
        self._do("hang_up")

    async def unplug(self) -> None:
        """Pull the plug: the process is gone at once, nothing is sent."""
        await stop(self._process, grace=0)

    async def press(self, key: str) -> None:
        """Press a key (RFC 4733)."""
        self._do("press", key=key)

    async def says(self, pcm: Pcm) -> None:
        """Say this now, once."""
        self._do("say", path=str(self._sentence(pcm)))

    async def hold(self) -> None:
        """Put the far side on hold."""
        self._do("hold")

    async def unhold(self) -> None:
        """Take the far side off hold."""
        self._do("unhold")

    async def transfer(self, uri: str) -> None:
        """Ask that the far side be brought to ``uri`` (REFER)."""
        self._do("transfer", uri=uri)

    async def transferred(self, timeout: float = 30.0) -> int:
        """Wait for the last word on the transfer: its status."""
        while True:
            told = await self._next("transfer", timeout)
            if told.details["final"]:
                return int(told.details["status"])

    async def call(self, uri: str) -> None:
        """Dial."""
        self._do("call", uri=uri)

    async def refused_with(self, timeout: float = 20.0) -> int:
        """Wait until the next call is over; the status that ended it."""
        return int((await self._next("ended", timeout)).details["status"])

    async def hand_over(self) -> None:
        """Ask that whom the first call is with be brought to whom the latest is with (REFER with Replaces)."""
        self._do("hand_over")

    async def hand_over_here(self) -> None:
        """Ask the same in the latest call: that whom it is with takes this phone's place in the first call."""
        self._do("hand_over_here")

    def heard(self) -> Pcm:
        """What was heard in the latest call; up to half a second behind while the call lasts."""
        calls = sorted(self.folder.glob("heard-*.wav"), key=lambda path: path.stat().st_mtime)
        return read_wav(calls[-1]) if calls and calls[-1].stat().st_size > 44 else np.zeros(0, dtype=np.int16)


def incoming_details(message: str) -> dict[str, str]:
    """What an INVITE shows of the caller, as the fields of ``Incoming``."""
    def header(name: str) -> str:
        found = re.search(rf"^{name}\s*:\s*(.*?)\s*$", message, re.MULTILINE | re.IGNORECASE)
        return found[1] if found else ""

    def user(value: str) -> str:
        found = re.search(r"(?:sips?|tel):([^@;>]*)", value)
        return found[1] if found else ""

    sender = header("(?:From|f)")
    name = re.match(r'"((?:[^"\\]|\\.)*)"|([^<"]*)<', sender)
    shown = (name[1] or name[2] or "").strip() if name else ""
    return {"from_user": user(sender), "display_name": shown, "pai": user(header("P-Asserted-Identity"))}
