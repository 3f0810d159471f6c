"""pyVoIP 1.6.8 as an agent's phone, in a process of its own. A simple phone with habits a server must live with:

- It sends everything to its registrar's address, so it cannot be rung without one.
- It rings its user a second after the INVITE, and answers a CANCEL with 200 but never the INVITE with 487.
- It speaks µ-law only here: when A-law is agreed, 1.6.8 sends µ-law codes under A-law's payload type.
- Its samples have 8 bits: give it loud sentences (``audio.levelled``). It cannot press keys or hold.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.partners.audio import FRAME, Pcm, read_wav, write_wav
from tests.partners.phone import ProcessPhone, incoming_details

PREFILL = 5
"""Packets that are collected before they are read, so that a late one leaves no hole."""


class PyVoipPhone(ProcessPhone):
    """An agent's phone made of pyVoIP (digest MD5 only; refuses with 486 only). It needs a registrar."""

    module = "tests.partners.pyvoip_phone"

    async def reject(self, code: int = 486) -> None:
        if code != 486:
            raise ValueError(f"pyVoIP refuses with 486 only, not {code}")
        await super().reject(code)

    async def press(self, key: str) -> None:
        raise NotImplementedError("pyVoIP 1.6.8 cannot press keys")

    async def hold(self) -> None:
        raise NotImplementedError("pyVoIP 1.6.8 cannot hold")

    async def unhold(self) -> None:
        raise NotImplementedError("pyVoIP 1.6.8 cannot hold")


def tell(event: str, **details: Any) -> None:
    """One event to the parent."""
    os.write(1, json.dumps({"event": event, **details}).encode() + b"\n")


def eight_bit(pcm: Pcm) -> bytes:
    """pyVoIP's samples: unsigned, 8 bits."""
    samples: npt.NDArray[np.uint8] = (np.clip((pcm.astype(np.int32) + 128) >> 8, -128, 127) + 128).astype(np.uint8)
    return samples.tobytes()


def sixteen_bit(data: bytes) -> Pcm:
    """Back again."""
    return ((np.frombuffer(data, dtype=np.uint8).astype(np.int16) - 128) * 256).astype(np.int16)


class Desk:
    """The person at the phone: follows each call, carries out the orders."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.folder = Path(settings["folder"])
        self.call: Any = None
        self.recordings = 0

    def incoming(self, call: Any) -> None:
        """pyVoIP's callback, on a thread of the call's own."""
        self.call = call
        tell("incoming", **incoming_details(call.request.raw.decode("utf-8", "replace")))
        if self.settings["reject_with"]:
            self.reject()
        elif self.settings["answer_after"] is not None:
            time.sleep(self.settings["answer_after"])
            call.answer()
        self.follow(call)

    def cancelled(self, call_id: str) -> None:
        if self.call is not None and self.call.call_id == call_id:
            tell("ended", reason="cancelled")
            self.call = None

    def reject(self) -> None:
        # deny() sends 486, then stops audio that was never started and trips over that.
        with contextlib.suppress(AttributeError):
            self.call.deny()
        tell("ended", reason="rejected")
        self.call = None

    def follow(self, call: Any) -> None:
        """Tell what becomes of the call, and keep what it hears."""
        while self.call is call and call.state.value == "RINGING":
            time.sleep(0.01)
        if self.call is not call:
            return
        tell("connected")
        self.recordings += 1
        path = self.folder / f"heard-{self.recordings:03}.wav"
        heard: list[bytes] = []
        tick = time.monotonic() + PREFILL * 0.02
        while call.state.value == "ANSWERED":
            time.sleep(max(0.0, tick - time.monotonic()))
            tick += 0.02
            heard.append(call.read_audio(FRAME, blocking=False))
            for key in call.get_dtmf(16):
                tell("digit", key=key)
            if len(heard) % 10 == 0:
                write_wav(path, sixteen_bit(b"".join(heard)))
        write_wav(path, sixteen_bit(b"".join(heard)))
        tell("ended", reason="bye")

    def do(self, order: dict[str, Any]) -> None:
        what = order["do"]
        if self.call is None:
            tell("refused", order=what, reason="no call")
        elif what == "answer":
            self.call.answer()
        elif what == "reject":
            self.reject()
        elif what == "hang_up":
            self.call.hangup()
        elif what == "say":
            self.call.write_audio(eight_bit(read_wav(Path(order["path"]))))


def main() -> None:
    """Run the phone until stdin closes."""
    import pyVoIP
    from pyVoIP.RTP import PayloadType
    from pyVoIP.VoIP import VoIPPhone

    settings = json.loads(sys.stdin.readline())
    desk = Desk(settings)
    pyVoIP.RTPCompatibleCodecs = [PayloadType.PCMU, PayloadType.EVENT]

    class Phone(VoIPPhone):
        """pyVoIP keeps a CANCEL to itself; its user at least hears that the ringing stops."""

        def callback(self, request: Any) -> None:
            super().callback(request)
            if getattr(request, "method", "") == "CANCEL":  # responses have no method
                desk.cancelled(request.headers["Call-ID"])

    if not settings["registrar"]:
        tell("started")
        sys.exit("pyVoIP cannot be rung without a registrar")
    host, port = settings["registrar"]
    low = 20_000 + settings["port"] % 1000 * 20
    phone = Phone(host, port, settings["user"], settings["password"], myIP=settings["ip"],
                  callCallback=desk.incoming, sipPort=settings["port"], rtpPortLow=low, rtpPortHigh=low + 18)
    tell("started")
    threading.Thread(target=register, args=(phone,), daemon=True).start()
    for line in sys.stdin:
        order = json.loads(line)
        if order["do"] == "unregister":
            phone.stop()
        else:
            desk.do(order)
    os._exit(0)


def register(phone: Any) -> None:
    """Register and tell how it went: the library swallows a refusal, tries again and gives up after the third."""
    phone.start()
    while (status := phone.get_status().value) not in ("REGISTERED", "FAILED"):
        time.sleep(0.02)
    tell("registered" if status == "REGISTERED" else "register_failed")


if __name__ == "__main__":
    main()
