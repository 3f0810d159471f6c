"""Debian's baresip as an agent's phone: its own program, steered over its TCP control port (JSON in netstrings)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from asyncio.subprocess import Process
from types import TracebackType
from typing import Any, Self

import numpy as np

from tests.partners.audio import RATE, Pcm, joined, read_wav, write_wav
from tests.partners.phone import EventfulPhone, incoming_details
from tests.partners.process import LONGEST, free_port, launch, stop

CONFIG = """\
poll_method             epoll
net_interface           {ip}
sip_listen              {ip}:{port}
call_local_timeout      120
call_max_calls          4
audio_source            aufile,{folder}/silence.wav
audio_player            aubridge,nothing
audio_alert             aubridge,nothing
audio_level             no
ausrc_format            s16
auplay_format           s16
auenc_format            s16
audec_format            s16
audio_buffer            20-160
module_path             /usr/lib/baresip/modules
module                  g711.so
module                  srtp.so
module                  aufile.so
module                  aubridge.so
module                  sndfile.so
module_tmp              uuid.so
module_tmp              account.so
module_app              ctrl_tcp.so
module_app              menu.so
ctrl_tcp_listen         {ip}:{control}
snd_path                {folder}
"""
"""What is heard is decoded into a bridge that nobody listens to; the sndfile filter writes it down on the way."""


class BaresipPhone(EventfulPhone):
    """An agent's phone made of baresip 1.0 (digest MD5 only; refuses with 486 whatever code is asked for)."""

    async def __aenter__(self) -> Self:
        settings = self.settings
        control = free_port(settings.ip)
        self._write_files(control)
        self._process: Process = await launch(["stdbuf", "-oL", "baresip", "-4", "-f", self.folder, "-s"], self.folder)
        self._timers: set[asyncio.Task[None]] = set()
        reader, self._writer = await self._connect(settings.ip, control)
        self._listener = asyncio.create_task(self._listen(reader))
        # The account comes only now, or the registration's outcome would be told before we listen.
        self._command("uanew", self._account())
        await self._next("started", 5)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        traceback: TracebackType | None) -> None:
        await stop(self._process, grace=0)
        for task in [self._listener, *self._timers]:
            task.cancel()
        self._writer.close()
        self._temporary.cleanup()

    def _write_files(self, control: int) -> None:
        settings = self.settings
        # baresip hangs up when its sound file ends, so every file ends in more silence than any test lasts.
        self._silence = np.zeros(LONGEST * RATE, dtype=np.int16)
        write_wav(self.folder / "silence.wav", self._silence)
        config = CONFIG.format(ip=settings.ip, port=settings.port, control=control, folder=self.folder)
        (self.folder / "config").write_text(config)
        (self.folder / "contacts").touch()
        (self.folder / "accounts").touch()

    async def unregister(self) -> None:
        """Take the registration back: baresip does it for an account that is deleted."""
        self._command("uadel", self._address())

    def _address(self) -> str:
        host, port = self.settings.registrar or (self.settings.ip, self.settings.port)
        way = "" if self.settings.over == "udp" else f";transport={self.settings.over}"
        return f"sip:{self.settings.user}@{host}:{port}{way}"

    def _account(self) -> str:
        settings = self.settings
        other = "PCMU" if settings.codec == "PCMA" else "PCMA"
        return ";".join([f"<{self._address()}>", f"auth_pass={settings.password}",
                         f"regint={settings.expires if settings.registrar else 0}", "answermode=manual",
                         f"audio_codecs={settings.codec}/8000/1,{other}/8000/1",
                         *(["mediaenc=srtp-mand"] if settings.srtp else [])])

    async def _connect(self, ip: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """baresip opens its control port when it is ready."""
        for _ in range(500):
            if self._process.returncode is not None:
                break
            with contextlib.suppress(ConnectionRefusedError):
                return await asyncio.open_connection(ip, port)
            await asyncio.sleep(0.02)
        raise RuntimeError(f"baresip did not start; {self.story()}")

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionResetError):
            while True:
                size = int((await reader.readuntil(b":"))[:-1])
                told = json.loads((await reader.readexactly(size + 1))[:-1])
                if told.get("event"):
                    self._happened(told)
                elif told.get("ok") and not self._all("started"):
                    self._told("started")
                elif not told.get("ok"):
                    self._told("refused", reason=told.get("data"))

    def _happened(self, told: dict[str, Any]) -> None:
        match told["type"]:
            case "REGISTER_OK":
                self._told("registered")
            case "REGISTER_FAIL":
                self._told("register_failed", reason=told.get("param", ""))
            case "CALL_INCOMING":
                self._told("incoming", **incoming_details(self._invite(told["id"])))
                self._after(self.settings.answer_after)
            case "CALL_ESTABLISHED":
                self._told("connected")
            case "CALL_CLOSED":
                self._told("ended", reason=told.get("param", ""))
            case "CALL_RTCP":
                self._told("report", **told["rtcp_stats"])
            case "CALL_DTMF_START":
                self._told("digit", key=told["param"])

    def _after(self, seconds: float | None) -> None:
        """What the settings say about an incoming call."""
        async def answer(after: float) -> None:
            await asyncio.sleep(after)
            await self.answer()

        if self.settings.reject_with is not None:
            self._command("hangup")
        elif seconds is not None:
            self._timers.add(asyncio.create_task(answer(seconds)))

    def _invite(self, call_id: str) -> str:
        """The INVITE with this Call-ID out of baresip's own trace: its events do not tell P-Asserted-Identity."""
        messages = (self.folder / "output.log").read_text(errors="replace").split("\nINVITE ")
        return next((text for text in reversed(messages) if f"Call-ID: {call_id}" in text.split("\n\n")[0]), "")

    def _command(self, command: str, params: str = "") -> None:
        data = json.dumps({"command": command, "params": params, "token": "test"}).encode()
        self._writer.write(b"%d:%s," % (len(data), data))

    async def answer(self) -> None:
        """Pick up."""
        self._command("accept")

    async def reject(self, code: int = 486) -> None:
        """Refuse the ringing call: 486 is the only code that baresip's menu sends."""
        if code != 486:
            raise ValueError(f"baresip 1.0 refuses with 486 only, not {code}")
        self._command("hangup")

    async def hang_up(self) -> None:
        """End the call."""
        self._command("hangup")

    async def unplug(self) -> None:
        """Pull the plug."""
        await stop(self._process, grace=0)

    def falls_asleep(self) -> None:
        """The lid of the laptop is closed: the program stands still, its sockets stay open and nobody answers."""
        os.killpg(self._process.pid, signal.SIGSTOP)

    def wakes_up(self) -> None:
        """It goes on where it stopped."""
        os.killpg(self._process.pid, signal.SIGCONT)

    async def press(self, key: str) -> None:
        """Press a key (RFC 4733)."""
        self._command("sndcode", key)

    async def says(self, pcm: Pcm) -> None:
        """Say this now, once."""
        path = self._sentence(joined([pcm, self._silence]))
        self._command("ausrc", f"aufile,{path}")

    async def transfer(self, uri: str) -> None:
        """Ask that the far side be brought to ``uri`` (REFER); baresip hangs up when it was."""
        self._command("transfer", uri)

    async def hold(self) -> None:
        """Put the far side on hold."""
        self._command("hold")

    async def unhold(self) -> None:
        """Take the far side off hold."""
        self._command("resume")

    async def call(self, uri: str) -> None:
        """Dial."""
        self._command("dial", uri)

    def reports(self) -> list[dict[str, Any]]:
        """What its RTCP told so far: ``tx`` and ``rx`` with ``sent``, ``lost`` and ``jit``, and ``rtt``, in µs."""
        return [told.details for told in self._all("report")]

    def heard(self) -> Pcm:
        """Everything heard since the phone was started, all calls one after another."""
        parts = [read_wav(path) for path in sorted(self.folder.glob("dump-*-dec.wav")) if path.stat().st_size > 44]
        return joined(parts) if parts else np.zeros(0, dtype=np.int16)
