"""A disk that is full in the middle of a call: nobody hears it, and the call's history says what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from resource import RLIMIT_FSIZE, prlimit

import pytest

from tests.journeys.conftest import FULL_NUMBER, calling
from tests.partners.audio import levelled
from tests.partners.hotline import Hotline
from tests.partners.speech import speech
from tests.partners.story import told_of

pytestmark = [pytest.mark.journey, pytest.mark.asyncio(loop_scope="session")]

QUESTION = levelled(speech().pcm)
LADDER = (
    "录音无法写入磁盘，通话不受影响 / the recording cannot be written: File too large",
    "录音恢复写入，没有缺失 / the recording is written again, nothing is missing",
    "录音不完整，缺失",
    "s are missing",
)


@contextmanager
def full_disk(process: int) -> Iterator[None]:
    """While inside, no file of this process grows: what a full disk is to its writes."""
    limits = prlimit(process, RLIMIT_FSIZE)
    prlimit(process, RLIMIT_FSIZE, (1000, limits[1]))
    try:
        yield
    finally:
        prlimit(process, RLIMIT_FSIZE, limits)


async def missing_ms(hotline: Hotline) -> float:
    try:
        return await hotline.gauge("hotline_sip_recorder_missing_ms_total")
    except KeyError:  # nothing was counted yet
        return 0.0


async def test_what_a_full_disk_costs_stands_in_the_history_of_the_call(hotline: Hotline) -> None:
    before, said_before = await missing_ms(hotline), len(hotline.said)
    async with calling(hotline, "9196") as caller:
        await caller.answered()
        with full_disk(hotline.process.pid):
            await told_of(hotline, caller, "recording.trouble")
        await told_of(hotline, caller, "recording.resumed")
        with full_disk(hotline.process.pid):
            await told_of(hotline, caller, "recording.trouble", count=2)
            caller.says(QUESTION)
            await caller.hears(QUESTION, 15, at_least=0.97)
            await caller.hang_up()
            await caller.ended()
            story = await told_of(hotline, caller)
    missing = story.one("recording.incomplete").details["missing_ms"]
    lasted = story.one("call.ended").at - story.one("call.answered").at
    assert story.one("recording.sealed").details["seconds"] + missing / 1000 == pytest.approx(lasted, abs=0.5)
    assert story.one("recording.resumed").details == {"missing_ms": 0}
    assert missing > 1000 * len(QUESTION) / 8000
    assert await missing_ms(hotline) == before + missing
    status, ladder = await hotline.command("calls", story.call_id)
    unfolded = "".join(ladder.replace("│", " ").split())
    assert status == 0
    assert not [words for words in LADDER if "".join(words.split()) not in unfolded], ladder
    logged = [line for line in hotline.said[said_before:] if story.call_id in line]
    assert len([line for line in logged if "the recording cannot be written: File too large" in line]) == 2
    assert [line for line in logged if f"the recording is incomplete, {missing} ms are missing" in line]
    assert not [line for line in logged if FULL_NUMBER.search(line)]
