"""One running server for the journeys that only need calls; tests that break a server start their own."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import pytest_asyncio

from ivr.voice.cache import RecordedPrompts
from media.wav import read_sound
from tests.journeys.floor import Floor, layout, new_floor
from tests.partners.audio import Pcm
from tests.partners.hotline import ROOT, Hotline, running
from tests.partners.phone import PhonePartner, PhoneSettings
from tests.partners.registrar import forget
from tests.partners.sipp import SippCaller

FULL_NUMBER = re.compile(r"13800138\d{3}|1391234567\d|65551234")
"""The callers of the journeys, in whatever prefix: readable on agents' phones, and nowhere else."""
Phone = TypeVar("Phone", bound=PhonePartner)


@pytest.fixture(scope="session")
def floor() -> Floor:
    """The queues and numbers of the session's server."""
    return new_floor()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def hotline(scratch: Path, floor: Floor) -> AsyncIterator[Hotline]:
    """The product, running on ports of its own with the demo business. When all journeys are over nothing is left of
    them: no call, dialog, transaction, port or recording."""
    with tempfile.TemporaryDirectory(prefix="hotline-", dir=scratch) as folder:
        async with running(layout(Path(folder), floor)) as server:
            yield server
            assert await left_over(server) == {}
            assert await server.gauge("hotline_routing_violations") == 0
            assert not [line for line in server.said if FULL_NUMBER.search(line)]


async def left_over(hotline: Hotline) -> dict[str, float]:
    """What is still in use when every SIP transaction has had its time (32 s)."""
    try:
        return {name: count for name, count in (await hotline.idle()).items() if count}
    except TimeoutError:
        return {name: count for name, count in (await hotline.live()).items() if count}


def calling(hotline: Hotline, dialled: str, **options: object) -> SippCaller:
    """A customer who is about to dial."""
    return SippCaller(("127.0.0.1", hotline.layout.sip_port), dialled, **options)  # type: ignore[arg-type]


def registering(hotline: Hotline, user: str, **options: object) -> PhoneSettings:
    """The settings of an agent's phone that is to register."""
    server = ("127.0.0.1", hotline.layout.sip_port)
    return PhoneSettings(user, hotline.passwords[user], server, **options)  # type: ignore[arg-type]


@asynccontextmanager
async def at_work(hotline: Hotline, phone: Phone) -> AsyncIterator[Phone]:
    """While inside, the phone is registered and its agent waits for calls; afterwards the agent has gone home."""
    async with phone:
        await phone.registered(15)
        await _state(hotline, phone.settings.user, "idle")
        try:
            yield phone
        except BaseException:  # is what must be told; and the next test must not find an agent who is not there
            with suppress(TimeoutError):
                await _goes_home(hotline, phone)
            raise
        await _goes_home(hotline, phone)


async def _goes_home(hotline: Hotline, phone: PhonePartner) -> None:
    """pyVoIP, stopped right after a call, now and then forgets to unregister: then it is done in its place."""
    agent = phone.settings.user
    await phone.unregister()
    try:
        await _state(hotline, agent, "offline", 5)
    except TimeoutError:
        assert await forget(("127.0.0.1", hotline.layout.sip_port), agent, hotline.passwords[agent]) == 200
        await _state(hotline, agent, "offline")


async def _state(hotline: Hotline, agent: str, state: str, within: float = 10) -> None:
    now = ""
    try:
        async with asyncio.timeout(within):
            while now != state:
                now = next(each["state"] for each in await hotline.get("/api/agents") if each["id"] == agent)
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise TimeoutError(f"agent {agent} is {now}, not {state}, after {within:g} s") from None


def recorded(text: str) -> Pcm:
    """A prompt as it was recorded: what a caller says in a journey, or what a caller must hear."""
    path = RecordedPrompts(ROOT / "dialplans" / "prompts").find(text)
    assert path is not None, f"“{text}” is not among the recorded prompts"
    return np.frombuffer(read_sound(path), dtype="<i2").astype(np.int16)
