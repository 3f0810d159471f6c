"""The hotline helps by itself: by voice, by keypad, and whoever knows the way need not hear a prompt to its end."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.journeys.conftest import calling, recorded
from tests.journeys.floor import SONG, TEMPERATURE, Floor
from tests.partners.audio import FRAME, contains, levelled
from tests.partners.hotline import Hotline
from tests.partners.sipp import SippCaller
from tests.partners.speech import speech, transcripts
from tests.partners.story import told_of

pytestmark = [pytest.mark.journey, pytest.mark.asyncio(loop_scope="session")]

QUESTION, NEXT_QUESTION = "请问有什么可以帮您？", "请问还有什么可以帮您？"
TO_REFUNDS, TO_COMPLAINTS = "好的，我为您转接退款专员，请稍等。", "非常抱歉给您带来不便，我为您转接投诉专员，请稍等。"
NOT_UNDERSTOOD = "不好意思，我没有听清。您可以说，查订单，退款，投诉，或者转人工。"
STILL_NOT_UNDERSTOOD = "抱歉，还是没有听懂。请用一句话说说您要办的事，比如，我要退款。"
MENU = "查订单请按1，退款请按2，投诉请按3，人工服务请按0，重听请按星号键。"
MUMBLE = "您前面还有5位客人，请稍候。"
"""A sentence that means nothing to the hotline."""


def quiet_after(caller: SippCaller, since: float, seconds: float = 0.5) -> float:
    """When the first silence of ``seconds`` after the moment ``since`` began, as the caller heard it."""
    ear, end = caller.line.ear, since
    while (sound := ear.first_sound(after=end)) is not None and sound - end < seconds:
        end = sound
    return end


async def test_the_order_is_told_by_voice_and_again_by_key(hotline: Hotline, floor: Floor) -> None:
    async with calling(hotline, floor.help) as caller:
        await caller.hears(recorded(QUESTION), 20)
        caller.says(recorded("查一下我的订单"))
        for prompt in ("您最近一笔订单，", "现在正在派送。", NEXT_QUESTION):
            await caller.hears(recorded(prompt), 15)
        caller.press("1")
        await told_of(hotline, caller, "service.answered", 2)
        caller.press("0")
        story = await told_of(hotline, caller, "queue.entered")
        await caller.hang_up()
        await caller.ended()
    assert [told.details for told in story.all("service.answered")] == [
        {"step": "order", "service": "latest_order", "found": True}] * 2
    assert story.one("intent.understood").details["intent"] == "order"
    assert [told.details["key"] for told in story.all("caller.pressed")] == ["1", "0"]
    said = [told.details["text"] for told in story.all("prompt.played")]
    assert len([text for text in said if "您最近一笔订单，现在正在派送。" in text]) == 2


async def test_a_key_cuts_the_prompt_short(hotline: Hotline) -> None:
    async with calling(hotline, "4008001234") as caller:
        await caller.hears(recorded("王先生，"), 15)
        caller.press("2")
        await caller.hears(recorded(TO_REFUNDS), 15)
        assert not contains(recorded(QUESTION), caller.heard(), 0.7)
        await caller.hang_up()
        await caller.ended()
        story = await told_of(hotline, caller)
    greeting, pressed = story.one("prompt.played", interrupted_by="keypad"), story.one("caller.pressed")
    # What was heard of the prompt ends where the key was pressed: one tick for the key, one for the player.
    assert greeting.details["seconds"] <= pressed.at - story.one("call.answered").at + 0.1
    assert greeting.details["seconds"] < len(recorded("欢迎致电客服热线。")) / 8000 + 2


async def test_speech_cuts_the_prompt_short(hotline: Hotline) -> None:
    async with calling(hotline, "4008001234") as caller:
        await caller.hears(recorded("王先生，"), 15)
        speaks, wish = time.monotonic(), recorded("我要退款")
        caller.says(wish)
        await caller.said()
        await caller.hears(recorded(TO_REFUNDS), 15)
        assert not contains(recorded(QUESTION), caller.heard(), 0.7)
        stopped = quiet_after(caller, speaks) - speaks
        await caller.hang_up()
        await caller.ended()
        story = await told_of(hotline, caller)
    onset = next(at for at in range(0, len(wish), FRAME) if abs(wish[at:at + FRAME].astype(int)).max() > 1000) / 8000
    assert stopped < onset + 0.6, "0.3 s to be sure that it is speech, and as much for a machine at work"
    assert story.one("prompt.played", interrupted_by="voice").details["seconds"] > 0.2
    assert story.one("intent.understood").details["intent"] == "refund"


async def test_who_is_not_understood_is_asked_again_then_offered_the_keypad(hotline: Hotline, floor: Floor) -> None:
    async def mumbling() -> None:
        async with calling(hotline, "4008001234") as caller:
            for prompt in (QUESTION, NOT_UNDERSTOOD, STILL_NOT_UNDERSTOOD):
                await caller.hears(recorded(prompt)[:12_000], 20)  # who has heard enough interrupts
                caller.says(recorded(MUMBLE))
            await caller.hears(recorded(MENU)[:12_000], 20)
            caller.press("3")
            await caller.hears(recorded(TO_COMPLAINTS), 15)
            await told_of(hotline, caller, "queue.entered")
            await caller.hang_up()
            await caller.ended()
            story = await told_of(hotline, caller)
        assert len(story.all("intent.unclear")) == 3
        assert story.one("queue.entered").details["queue"] == "complaints"

    async def silent() -> None:
        """In a flow that asks less often: nothing is waited for longer than silence."""
        async with calling(hotline, floor.help) as caller:
            await caller.hears(recorded("您还在吗？如果没有别的事，可以直接挂机。"), 25)
            await caller.hears(recorded("继续办理请按1，人工服务请按0。"), 25)
            story = await told_of(hotline, caller, "queue.entered", within=40)
            await caller.hang_up()
            await caller.ended()
        assert [told.details["step"] for told in story.all("caller.silent")] == ["what", "what", "keys", "keys"]
        assert story.one("queue.entered").details["queue"] == "identity"

    await asyncio.gather(mumbling(), silent())


async def test_a_person_s_sentence_finds_the_intent_that_it_is_an_example_of(hotline: Hotline, floor: Floor) -> None:
    human = {SONG: "song", TEMPERATURE: "temperature"} if transcripts() else {}

    async def says(wish: object, intent: str) -> None:
        async with calling(hotline, floor.help) as caller:
            await caller.hears(recorded(QUESTION), 15)
            caller.says(wish)  # type: ignore[arg-type]
            await caller.hears(recorded("感谢您的来电，再见。"), 20)
            await caller.ended(10)
            story = await told_of(hotline, caller)
        understood = story.one("intent.understood")
        assert (understood.details["intent"], story.one("call.ended").details["by"]) == (intent, "hotline")

    await asyncio.gather(
        says(recorded("我要退款"), "refund"),
        *(says(levelled(speech(name).pcm), intent) for name, intent in human.items()),
    )
