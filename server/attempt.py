"""``hotline try``: one real call to the running server, for somebody who has no telephone.

A simulated agent's phone registers and a simulated customer dials, both over SIP and RTP as any phone would. What the
two heard is measured from their audio; what the server thought is read from its log of events.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from calls import Call, Phone, PhoneNumber, Sound, SystemClock
from calls.errors import CallFailed, HotlineError
from ivr.voice import Voice, beep
from media.engine import MediaConfig
from media.native import NativeEngine
from media.server import MediaServer
from media.wav import read_sound
from server.demo import passwords
from server.ears import Ears
from server.models import choose, model_settings, places
from server.settings import Settings, load_settings
from server.timeline import Timeline
from telephony import IncomingCall, Telephony, TelephonyConfig
from telephony.sip.uri import Uri
from telephony.store import AccountBook
from telephony.trunking import Trunk
from telephony.trunking.tolls import Tariff, TollRules
from telephony.trunking.trunk import Probe

RTP_PORTS = 30000, 30999
GREETING_WITHIN, PAUSE, REPLY_WITHIN, AGENT_WITHIN = 5.0, 0.9, 6.0, 25.0
SILENCE_AFTER_REPLY = 4.0
AGENT_SAYS = "您好，很高兴为您服务。"


class WentWrong(HotlineError):
    """The call did not go as it should."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the simulated call is to be."""

    caller: str
    called: str
    agent: str
    speech: Sound
    words: str


def attempt(options: argparse.Namespace) -> int:
    """Make the call and print its timeline; 1, with the reason, when it did not go as it should."""
    logging.getLogger("media").setLevel(logging.ERROR)  # two telephones need no real-time thread
    settings = load_settings(options.settings)
    timeline = Timeline(datetime.now(UTC))
    try:
        asyncio.run(_attempt(settings, options, timeline))
    except CallFailed as failure:
        print(timeline.text())
        nobody = failure.status in (408, 503)  # no answer at all, or the machine's word that nobody listens there
        where = str(settings.sip.nearby)
        raise WentWrong(
            f"no server answers on {where}; is it running? make run" if nobody else f"the server answered {failure}"
        ) from failure
    except HotlineError:
        print(timeline.text())
        raise
    print(timeline.text())
    return 0


async def _attempt(settings: Settings, options: argparse.Namespace, timeline: Timeline) -> None:
    async with _voice(settings) as voice:
        words = str(options.wav) if options.wav else options.say
        speech = Sound(read_sound(options.wav), words) if options.wav else await voice.render(options.say)
        agent_says = await voice.render(AGENT_SAYS)
    called = options.called or next(iter(settings.numbers))
    wish = Wish(options.caller, called, options.agent, speech, words)
    async with _phones(settings, wish, agent_says, timeline) as (telephony, agent):
        customer = await _dial(telephony, settings, wish, timeline)
        try:
            await _converse(customer, wish, agent, timeline)
        finally:
            await customer.hang_up()
            timeline.mark("the customer hangs up")
    await timeline.add_what_the_server_says(settings)


@asynccontextmanager
async def _voice(settings: Settings) -> AsyncIterator[Voice]:
    chosen = await asyncio.to_thread(choose, model_settings(settings), places(settings))
    voice = Voice(chosen.voice, settings.data / "prompts", settings.dialplans / "prompts")
    await voice.start()
    try:
        yield voice
    finally:
        await voice.close()


class Agent:
    """The simulated agent: lets the phone ring for a moment, answers, greets, and listens."""

    def __init__(self, says: Sound, timeline: Timeline) -> None:
        self._says, self._timeline = says, timeline
        self.rang, self.heard_customer = asyncio.Event(), asyncio.Event()

    async def serve(self, incoming: IncomingCall) -> None:
        """Take one call."""
        self._timeline.mark(f"the agent's phone rings, showing {PhoneNumber(incoming.calling)}")
        self.rang.set()
        await incoming.phone.ring()
        await asyncio.sleep(0.5)
        await incoming.phone.answer()
        self._timeline.mark("the agent answers")
        with Ears(incoming.phone) as ears:
            await incoming.phone.play(self._says)
            await ears.speech()
            self._timeline.mark("the agent hears the customer")
            self.heard_customer.set()
            await incoming.phone.ended()


@asynccontextmanager
async def _phones(
    settings: Settings, wish: Wish, says: Sound, timeline: Timeline
) -> AsyncIterator[tuple[Telephony, Agent]]:
    """An exchange of our own that plays both telephones, with the agent's one registered."""
    server = settings.sip.nearby
    agent = Agent(says, timeline)
    media = MediaServer(NativeEngine(MediaConfig(*RTP_PORTS, realtime=False)))
    trunk = Trunk("server", (ipaddress.ip_network(server.host),), outbound=server, probe=Probe(every=0))
    config = TelephonyConfig(listen=(replace(server, port=0),), trunks=(trunk,),
                             numbers=frozenset({wish.agent}), outside=TollRules({"": Tariff()}))
    telephony = Telephony(config, media, AccountBook(), SystemClock())
    media.start()
    try:
        await telephony.start(agent.serve)
        phones = passwords(settings.data)
        if wish.agent not in phones:
            raise WentWrong(f"the demo has no phone {wish.agent}; there are {', '.join(phones)}")
        async with telephony.registered(server, wish.agent, phones[wish.agent]):
            timeline.mark(f"the agent's phone {wish.agent} is registered")
            yield telephony, agent
    finally:
        await telephony.close()
        media.close()


async def _dial(telephony: Telephony, settings: Settings, wish: Wish, timeline: Timeline) -> Phone:
    number = PhoneNumber(wish.caller)
    call = Call(str(uuid.uuid4()), "try", wish.called, number, "", datetime.now(UTC))
    timeline.began = datetime.now(UTC)
    timeline.mark(f"the customer {number} dials {wish.called}")
    target = str(Uri.at(settings.sip.nearby, wish.called))
    customer = await telephony.ring(target, call=call, shown=number, answer_within=10)
    timeline.mark("answered")
    return customer


async def _converse(customer: Phone, wish: Wish, agent: Agent, timeline: Timeline) -> None:
    with Ears(customer) as ears:
        await _within(GREETING_WITHIN, ears.speech(), "no greeting was heard")
        timeline.mark("the greeting is heard")
        await ears.silence(PAUSE)
        timeline.mark(f"the customer says {wish.words}")
        saying = await customer.play(wish.speech)
        await saying.finished()
        ears.forget()
        timeline.mark("… and has said it")
        await _within(REPLY_WITHIN, ears.speech(), "no reply was heard")
        timeline.mark("the reply is heard")
        if await _rings(agent, ears):
            await asyncio.sleep(0.5)
            await customer.play(Sound(b"".join((wish.speech.pcm, beep().pcm))))
            await _within(REPLY_WITHIN, agent.heard_customer.wait(), "the agent did not hear the customer")
            await asyncio.sleep(1.5)


async def _rings(agent: Agent, ears: Ears) -> bool:
    """Whether the call reaches the agent. A self-service needs none: then the hotline has spoken, and waits."""
    rang, silent = asyncio.create_task(agent.rang.wait()), asyncio.create_task(ears.silence(SILENCE_AFTER_REPLY))
    await asyncio.wait({rang, silent}, timeout=AGENT_WITHIN, return_when=asyncio.FIRST_COMPLETED)
    for task in (rang, silent):
        task.cancel()
    await asyncio.gather(rang, silent, return_exceptions=True)
    return agent.rang.is_set()


async def _within(seconds: float, happening: Awaitable[object], otherwise: str) -> None:
    try:
        async with asyncio.timeout(seconds):
            await happening
    except TimeoutError:
        raise WentWrong(f"{otherwise} within {seconds:.0f} s") from None
