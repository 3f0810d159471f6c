"""The server's parts in this process, real ones, for journeys that must look inside; only ears and voice are quick."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import cast

import numpy as np
import yaml

from asr import WorkerPool
from asr.recogniser import RecogniserDown, SpeechEvent, SpeechStarted
from calls import Heard, HeardBy, Sound, SystemClock
from ivr.intents import IntentMatcher
from ivr.loader import load_dialplan
from ivr.pinyin import syllables
from ivr.plan import Known
from ivr.voice import Voice
from ivr.voice.clauses import clauses
from media.engine import MediaConfig
from media.native import NativeEngine
from media.server import MediaServer
from media.wav import write_wav
from recordings import Vault
from routing import Router
from routing.agents import Agent
from routing.policy import Rules
from routing.queues import Queue
from selfservice import catalogue
from server.diary import Chronicle
from server.journey import journey
from server.parts import Answering, Parts
from server.prompts import fixed_sentences
from storage import Database, EventLog
from telephony import AccountBook, PhoneAccount, Telephony, TelephonyConfig, Trunk
from telephony.sip.address import Address
from tests.partners.hotline import ROOT

NUMBER = "4008001234"
T1 = 0.1
"""Seconds; on loopback nothing takes longer."""
PORTS = range(31000, 32000)
RING_SECONDS = 1.0
SKILLS = {"service": 3, "refunds": 3, "complaints": 3}
BLIP = (np.sin(np.arange(320) * 0.5) * 8000).astype("<i2").tobytes()
"""40 ms that stand for a sentence."""
QUICK = Rules(again_after=0.05, cool_down=0.05, missed_pause=0.1, unreachable_for=0.1)


class Ears:
    """A recogniser that soon "hears" something: what, ``chance`` decides. Its sockets are real."""

    WORDS = (*["我要退款"] * 4, *["转人工"] * 3, "查订单", "再见", "今天天气怎么样", "")

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    @asynccontextmanager
    async def listening(self, *, phrases: Sequence[str] = ()) -> AsyncIterator[Hearing]:
        if self._chance.random() < 0.05:
            raise RecogniserDown("the recogniser is being restarted")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with ours, theirs:
            ours.setblocking(False)
            yield Hearing(ours, self._chance.choice(self.WORDS), self._chance.uniform(0.01, 0.2))


@dataclass
class Hearing:
    """One utterance after ``after`` seconds; none at all where there are no words."""

    audio: socket.socket
    words: str
    after: float

    @property
    def fd(self) -> int:
        return self.audio.fileno()

    async def __aiter__(self) -> AsyncIterator[SpeechEvent]:
        await asyncio.sleep(self.after if self.words else 3600)
        yield SpeechStarted(asyncio.get_running_loop().time())
        await asyncio.sleep(self.after / 2)
        yield Heard(HeardBy.VOICE, syllables(self.words), self.words, confidence=0.9)


@dataclass
class House:
    """The running parts."""

    parts: Parts
    chronicle: Chronicle
    log: EventLog
    media: MediaServer

    @property
    def address(self) -> Address:
        return Address("127.0.0.1", self.parts.telephony.port)

    def live(self) -> dict[str, int]:
        """What is in use."""
        return self.parts.telephony.live()

    async def quiet(self, within: float = 15.0) -> None:
        """Wait until every call is over; then let the time pass that transactions are kept for (RFC 3261, 17)."""
        kept = ("transactions", "timers")
        try:
            async with asyncio.timeout(within):
                while any(count for name, count in self.live().items() if name not in kept):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(f"left over: {self.live()}") from None
        sip = self.parts.telephony.office.sip
        sip.endpoint.tick(sip.now() + 64 * T1 + 1)
        sip.flush()


@asynccontextmanager
async def open_house(database: Database, folder: Path, agents: dict[str, str], chance: random.Random
                     ) -> AsyncIterator[House]:
    """Everything that ``server.wiring`` puts together, with ``agents`` (user → contact) on fixed phones."""
    clock = SystemClock()
    services = catalogue(database)
    known = Known(dict.fromkeys(SKILLS) | {"diagnosis": None}, {name: s.fills for name, s in services.items()})
    plan = load_dialplan(ROOT / "dialplans" / "main.yaml", known)
    flows = {NUMBER: Answering(plan, IntentMatcher(plan.intents))}
    queues = [Queue(skill, skills=(skill,), ring_seconds=RING_SECONDS, wrap_up_seconds=0) for skill in SKILLS]
    book = AccountBook([PhoneAccount(user, fixed_contact=contact) for user, contact in agents.items()])
    async with AsyncExitStack() as stack:
        log = await stack.enter_async_context(EventLog(database, folder / "events.spool"))
        chronicle = Chronicle(log, lambda event: None)
        media = MediaServer(NativeEngine(MediaConfig(PORTS[0], PORTS[-1], realtime=False, silence_after=0.3)))
        media.start()
        stack.callback(media.close)
        config = TelephonyConfig(
            listen=(Address("127.0.0.1", 0),), trunks=(Trunk("carrier", (ip_network("127.0.0.2/32"),), trusted=True),),
            numbers=frozenset({NUMBER}), agent_silence=0.3, t1=T1,
        )
        telephony = Telephony(config, media, book, clock)
        router = Router(telephony, chronicle, clock, queues, rules=QUICK)
        stack.push_async_callback(router.close)
        for user in agents:
            router.seat(Agent(user, f"坐席{user}", user, SKILLS))
        voice = Voice(None, folder / "cache", record(folder / "prompts", flows))
        stack.push_async_callback(voice.close)
        vault = Vault(folder / "recordings", database, clock)
        ears = cast(WorkerPool, Ears(chance))
        parts = Parts(clock, database, chronicle, telephony, router, vault, voice, ears, services, flows, Sound(BLIP))
        stack.push_async_callback(telephony.close)
        await telephony.start(lambda incoming: journey(incoming, parts))
        router.sync_phones(telephony.phones.reachable)
        yield House(parts, chronicle, log, media)


def record(folder: Path, flows: dict[str, Answering]) -> Path:
    """A folder of recorded prompts in which every sentence is a blip."""
    folder.mkdir(exist_ok=True)
    write_wav(folder / "blip.wav", BLIP)
    whole = list(fixed_sentences(flows))
    manifest = dict.fromkeys([*whole, *(clause for text in whole for clause in clauses(text))], "blip.wav")
    (folder / "prompts.yaml").write_text(yaml.safe_dump(manifest, allow_unicode=True), encoding="utf-8")
    return folder
