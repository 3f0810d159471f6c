"""PJSIP's pjsua2 as an agent's softphone, in a process of its own (its licence is GPL; nothing of ours links to it).

``Pjsua2Phone`` is the parent's side. ``python -m tests.partners.pjsua2_phone`` is the phone itself: a null sound
device, all callbacks on the main thread, which also reads the orders.
"""

from __future__ import annotations

import json
import os
import re
import select
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.partners.phone import ProcessPhone, incoming_details
from tests.partners.process import until

ANSWERING = re.compile(
    r"(?P<way>[TR]X) \d+ bytes Response msg (?:180|200)/INVITE(?s:.*?)^Call-ID: (?P<id>\S+)(?s:.*?)"
    r"^From: .*;tag=(?P<from>\S+)(?s:.*?)^To: .*;tag=(?P<to>\S+)", re.MULTILINE)
"""A response of or to the phone that makes a dialog, as PJSIP writes it down; it sends these headers in this order."""

DEPTH = 120
"""Milliseconds of the phone's jitter buffer."""


class Pjsua2Phone(ProcessPhone):
    """An agent's phone made of pjsua2 2.15. Digest MD5 and SHA-256; one call at a time is answered by orders."""

    module = "tests.partners.pjsua2_phone"

    async def statistics(self) -> dict[str, float]:
        """What its RTCP says of the call by now: ``round_trip_ms``; packets and losses of what it gets (``rx_…``), and
        of what it sends (``tx_…``) by the ``reports`` that came."""
        self._do("statistics")
        return (await self._next("statistics", 5)).details

    async def takes(self, uri: str, replaces: str) -> None:
        """Call in for the place of another phone: an INVITE with this Replaces (RFC 3891)."""
        self._do("call", uri=uri, replaces=replaces)

    async def dialog(self) -> str:
        """The dialog of the latest call, as the far side knows it and a Replaces wants it: told by the last response to
        an INVITE in the phone's own log, once there is one. Raises TimeoutError."""
        log = self.folder / "pjsip.log"

        def responses() -> list[re.Match[str]]:
            return [*ANSWERING.finditer(log.read_text(errors="replace"))]

        await until(lambda: bool(responses()), 10, "a call that rings")
        last = responses()[-1]
        theirs, ours = (last["from"], last["to"]) if last["way"] == "TX" else (last["to"], last["from"])
        return f"{last['id']};to-tag={theirs};from-tag={ours}"


def tell(event: str, **details: Any) -> None:
    """One event to the parent."""
    os.write(1, json.dumps({"event": event, **details}).encode() + b"\n")


def steady(pj: Any, media: Any) -> None:
    """A jitter buffer of a fixed ``DEPTH`` that throws nothing away: PJSIP's own way of growing and shrinking tears one
    sentence in seven on a line without jitter. Its policy can be set through a document only."""
    media.jbInit = media.jbMinPre = media.jbMaxPre = DEPTH
    media.jbMax = 5 * DEPTH
    document = pj.JsonDocument()
    media.writeObject(document.getRootContainer())
    settings = json.loads(document.saveString())
    settings["MediaConfig"]["jbDiscardAlgo"] = 0  # PJMEDIA_JB_DISCARD_NONE
    document = pj.JsonDocument()
    document.loadString(json.dumps(settings))
    media.readObject(document.getRootContainer())


def invitation(pj: Any, replaces: str) -> Any:
    """What goes along with an INVITE; empty is left out."""
    operation = pj.CallOpParam(True)
    if replaces:
        header = pj.SipHeader()
        header.hName, header.hValue = "Replaces", replaces
        operation.txOption.headers = pj.SipHeaderVector([header])
    return operation


def main() -> None:
    """Run the phone until stdin closes."""
    import pjsua2 as pj

    settings = json.loads(sys.stdin.readline())
    folder = Path(settings["folder"])

    class Diary(pj.LogWriter):  # type: ignore[misc]
        """The library's log with every message; unlike its own log file it can be read before the phone ends."""

        def write(self, entry: Any) -> None:
            with (folder / "pjsip.log").open("a") as log:
                log.write(entry.msg)

    class Call(pj.Call):  # type: ignore[misc]
        """One call with its recorder (what is heard) and its player (what is said)."""

        def __init__(self, account: Any, call_id: int = pj.PJSUA_INVALID_ID) -> None:
            super().__init__(account, call_id)
            self.recorder: Any = None
            self.player: Any = None
            self.answer_at: float | None = None

        def audio(self) -> Any:
            return self.getAudioMedia(-1)

        def onCallState(self, _: Any) -> None:
            state = self.getInfo()
            if state.state == pj.PJSIP_INV_STATE_CONFIRMED:
                tell("connected")
            elif state.state == pj.PJSIP_INV_STATE_DISCONNECTED:
                self.recorder = self.player = None  # closes the files
                phone.calls.remove(self)
                tell("ended", status=int(state.lastStatusCode), reason=state.lastReason)

        def onCallMediaState(self, _: Any) -> None:
            info = self.getInfo()  # must outlive the look into it: its parts are not kept alive by themselves
            active = any(media.type == pj.PJMEDIA_TYPE_AUDIO and media.status == pj.PJSUA_CALL_MEDIA_ACTIVE
                         for media in info.media)
            if not active:
                return
            if self.recorder is None:
                phone.recordings += 1
                self.recorder = pj.AudioMediaRecorder()
                self.recorder.createRecorder(str(folder / f"heard-{phone.recordings:03}.wav"))
            self.audio().startTransmit(self.recorder)
            if self.player is not None:
                self.player.startTransmit(self.audio())

        def onCallTransferStatus(self, told: Any) -> None:
            tell("transfer", status=int(told.statusCode), final=bool(told.finalNotify))

        def onDtmfDigit(self, pressed: Any) -> None:
            tell("digit", key=pressed.digit)

        def tell_statistics(self) -> None:
            """What its RTCP says of both directions: received by it, and by the far side's reports sent by it."""
            rtcp = self.getStreamStat(0).rtcp
            rx, tx = rtcp.rxStat, rtcp.txStat
            tell("statistics", round_trip_ms=rtcp.rttUsec.mean / 1000, rx_packets=rx.pkt, rx_lost=rx.loss,
                 tx_packets=tx.pkt, tx_lost=tx.loss, reports=tx.updateCount)

        def say(self, path: str) -> None:
            self.player = pj.AudioMediaPlayer()
            self.player.createPlayer(path, pj.PJMEDIA_FILE_NO_LOOP)
            self.player.startTransmit(self.audio())

    class Account(pj.Account):  # type: ignore[misc]
        def onRegState(self, state: Any) -> None:
            if state.code // 100 == 2:
                tell("registered" if state.expiration else "unregistered")
            else:
                tell("register_failed", status=int(state.code), reason=state.reason)

        def onIncomingCall(self, told: Any) -> None:
            call = Call(self, told.callId)
            phone.calls.append(call)
            tell("incoming", **incoming_details(told.rdata.wholeMsg))
            if settings["reject_with"]:
                respond(call, settings["reject_with"])
                return
            respond(call, 180)
            if settings["answer_after"] is not None:
                call.answer_at = time.monotonic() + settings["answer_after"]

    def respond(call: Any, status: int) -> None:
        operation = pj.CallOpParam()
        operation.statusCode = status
        call.answer(operation)

    class Phone:
        """The endpoint, its account and its calls."""

        def __init__(self) -> None:
            self.calls: list[Call] = []
            self.recordings = 0
            self.endpoint = pj.Endpoint()
            self.endpoint.libCreate()
            config = pj.EpConfig()
            config.uaConfig.threadCnt = 0
            config.uaConfig.mainThreadOnly = True
            config.logConfig.level = config.logConfig.consoleLevel = 0
            self.diary = Diary()
            config.logConfig.writer = self.diary
            config.logConfig.level = config.logConfig.consoleLevel = 4  # without a console there is no writer either
            config.medConfig.clockRate = config.medConfig.sndClockRate = 8000
            config.medConfig.noVad = True
            config.medConfig.ecTailLen = 0
            config.medConfig.txDropPct, config.medConfig.rxDropPct = settings["drops"]
            steady(pj, config.medConfig)
            self.endpoint.libInit(config)
            self.endpoint.audDevManager().setNullDev()
            transport = pj.TransportConfig()
            transport.port, transport.boundAddress = settings["port"], settings["ip"]
            transport.publicAddress = settings["ip"]
            kinds = {"udp": pj.PJSIP_TRANSPORT_UDP, "tcp": pj.PJSIP_TRANSPORT_TCP, "tls": pj.PJSIP_TRANSPORT_TLS}
            self.endpoint.transportCreate(kinds[settings["over"]], transport)
            self.endpoint.libStart()
            for codec in self.endpoint.codecEnum2():
                self.endpoint.codecSetPriority(codec.codecId, priority(codec.codecId))
            self.account = Account()
            self.account.create(account_config())

        def do(self, order: dict[str, Any]) -> None:
            what = order["do"]
            if what == "call":
                call = Call(self.account)
                self.calls.append(call)
                call.makeCall(order["uri"], invitation(pj, order.get("replaces", "")))
                return
            if what == "unregister":
                self.account.setRegistration(False)
                return
            if not self.calls:
                tell("refused", order=what, reason="no call")
                return
            self.orders(self.calls[-1], order)[what]()

        def orders(self, call: Any, order: dict[str, Any]) -> dict[str, Callable[[], None]]:
            """What can be asked of a call."""
            plain, again = pj.CallOpParam(True), pj.CallOpParam(True)
            again.opt.flag = pj.PJSUA_CALL_UNHOLD
            return {
                "answer": lambda: respond(call, 200),
                "reject": lambda: respond(call, order["code"]),
                "hang_up": lambda: call.hangup(pj.CallOpParam()),
                "press": lambda: call.dialDtmf(order["key"]),
                "say": lambda: call.say(order["path"]),
                "statistics": call.tell_statistics,
                "transfer": lambda: call.xfer(order["uri"], plain),
                "hand_over": lambda: self.calls[0].xferReplaces(call, plain),
                "hand_over_here": lambda: call.xferReplaces(self.calls[0], plain),
                "hold": lambda: call.setHold(pj.CallOpParam()),
                "unhold": lambda: call.reinvite(again),
            }

    def priority(codec: str) -> int:
        """Our codec first, the other G.711 next, nothing else."""
        name = codec.split("/", maxsplit=1)[0]
        return 255 if name == settings["codec"] else 128 if name in ("PCMA", "PCMU") else 0

    def account_config() -> Any:
        config = pj.AccountConfig()
        config.idUri = f"sip:{settings['user']}@{settings['ip']}:{settings['port']}"
        config.mediaConfig.transportConfig.boundAddress = settings["ip"]
        config.mediaConfig.transportConfig.publicAddress = settings["ip"]
        config.mediaConfig.rtcpMuxEnabled = settings["rtcp_mux"]
        if settings["srtp"]:
            config.mediaConfig.srtpUse = pj.PJMEDIA_SRTP_MANDATORY
            config.mediaConfig.srtpSecureSignaling = 0  # it would refuse keys that come over UDP
        if settings["registrar"]:
            host, port = settings["registrar"]
            config.idUri = f"sip:{settings['user']}@{host}"
            config.regConfig.registrarUri = f"sip:{host}:{port};transport={settings['over']}"
            config.regConfig.timeoutSec = settings["expires"]
            config.sipConfig.authCreds.append(
                pj.AuthCredInfo("digest", "*", settings["user"], 0, settings["password"]))
        return config

    phone = Phone()
    tell("started", port=settings["port"])
    waiting = b""
    while True:
        phone.endpoint.libHandleEvents(10)
        now = time.monotonic()
        for call in phone.calls:
            if call.answer_at is not None and now >= call.answer_at:
                call.answer_at = None
                respond(call, 200)
        if not select.select([0], [], [], 0)[0]:
            continue
        data = os.read(0, 65536)
        if not data:
            os._exit(0)  # the parent is gone: no farewells, the library's destruction takes a second
        *lines, waiting = (waiting + data).split(b"\n")
        for line in lines:
            try:
                phone.do(json.loads(line))
            except pj.Error as problem:
                tell("refused", order=line.decode(), reason=problem.info())


if __name__ == "__main__":
    main()
