"""Conversations on a stage, in virtual time: a character takes 0.2 s to say."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import pytest

from asr.recogniser import RecogniserDown
from calls import Caller, Finished, Identity, ToQueue
from calls.errors import LegGone
from ivr.loader import load_dialplan
from ivr.plan import Dialplan, Known

if TYPE_CHECKING:
    from tests.ivr.conftest import Stage

Virtually = Callable[[Coroutine[Any, Any, None]], None]
MakeStage = Callable[..., "Stage"]


def test_a_caller_is_greeted_by_name_and_brought_to_the_right_queue(virtually: Virtually, stage: MakeStage) -> None:
    async def scene() -> None:
        on = stage()
        call = on.begin()
        await asyncio.sleep(8)
        assert on.heard == "王先生，您好，欢迎致电客服热线。请问有什么可以帮您？"
        await on.says("我要退款")
        outcome = await call
        assert outcome == ToQueue("to_refunds", "refunds", "refund", 180.0, "nobody_came")
        assert on.heard.endswith("好的，我为您转接退款专员，请稍等。")
        on.is_over()

    virtually(scene())


def test_a_stranger_is_greeted_in_general(virtually: Virtually, stage: MakeStage) -> None:
    async def scene() -> None:
        on = stage(caller=Caller(Identity.WITHHELD))
        call = on.begin()
        await asyncio.sleep(6)
        await on.says("转人工")
        assert on.heard.startswith("您好，欢迎致电客服热线。")
        assert isinstance(await call, ToQueue)

    virtually(scene())


def test_speech_interrupts_the_prompt(virtually: Virtually, stage: MakeStage) -> None:
    async def scene() -> None:
        on = stage()
        call = on.begin()
        await asyncio.sleep(1)
        await on.says("我要投诉", seconds=1)
        await call
        (first, *_) = on.noted("prompt.played")
        assert (first["interrupted_by"], first["seconds"]) == ("voice", 1.0)
        assert "请问有什么可以帮您？" not in on.heard

    virtually(scene())


def test_a_key_interrupts_the_prompt(virtually: Virtually, stage: MakeStage) -> None:
    async def scene() -> None:
        on = stage()
        call = on.begin()
        await asyncio.sleep(1)
        on.presses("2")
        outcome = await call
        assert isinstance(outcome, ToQueue)
        assert (outcome.queue, outcome.intent) == ("refunds", "refund")
        assert on.noted("prompt.played")[0]["interrupted_by"] == "keypad"

    virtually(scene())


def test_an_echo_does_not_interrupt_and_a_wish_said_over_the_first_words_counts(
    virtually: Virtually, stage: MakeStage
) -> None:
    async def scene() -> None:
        on = stage()
        call = on.begin()
        await asyncio.sleep(0.1)
        await on.says("喂，你好", seconds=0.5)
        await asyncio.sleep(9)
        assert on.heard.endswith("请问有什么可以帮您？"), "the prompt went on"
        assert on.noted("prompt.played") == []
        await on.says("投诉")
        assert isinstance(await call, ToQueue)

    virtually(scene())


def test_who_knows_what_to_want_need_not_wait_for_the_greeting(virtually: Virtually, stage: MakeStage) -> None:
    async def scene() -> None:
        on = stage()
        call = on.begin()
        await asyncio.sleep(0.1)
        await on.says("我要退款", seconds=1.2)
        assert await on.queue_of(call) == "refunds"

    virtually(scene())


def test_who_spoke_over_the_whole_prompt_is_heard_out(virtually: Virtually, stage: MakeStage) -> None:
    async def scene() -> None:
        on = stage()
        call = on.begin()
        await asyncio.sleep(0.1)
        await on.says("我上个星期买的衣服太小了穿不了我要退款", seconds=16)
        assert on.heard.startswith("王先生，您好，欢迎致电客服热线。请问有什么可以帮您？")
        assert await on.queue_of(call) == "refunds"
        assert "没有听清" not in on.heard

    virtually(scene())


def test_a_long_answer_is_told_to_its_end(virtually: Virtually, stage: MakeStage) -> None:
    async def scene() -> None:
        on = stage()
        call = on.begin()
        await asyncio.sleep(9)
        await on.says("查订单")
        await asyncio.sleep(0.1)
        await on.says("嗯嗯", seconds=0.5)
        await asyncio.sleep(12)
        assert on.noted("caller.silent") == []
        assert on.heard.endswith("请问还有什么可以帮您？")
        await on.hangs_up(call)

    virtually(scene())


def test_a_cough_over_the_prompt_is_asked_about(virtually: Virtually, stage: MakeStage) -> None:
    async def scene() -> None:
        on = stage()
        call = on.begin()
        await asyncio.sleep(2)
        await on.says("", seconds=0.3)
        await asyncio.sleep(1)
        assert on.heard.endswith("不好意思，我没有听清。您可以说，查订单，退款，投诉，或者转人工。")
        await on.hangs_up(call)

    virtually(scene())


def test_a_cough_after_the_prompt_is_not_an_answer(virtually: Virtually, stage: MakeStage) -> None:
    async def scene() -> None:
        on = stage()
        call = on.begin()
        await asyncio.sleep(9)
        await on.says("", seconds=0.3)
        assert on.noted("caller.heard") == []
        await on.says("退货")
        assert isinstance(await call, ToQueue)

    virtually(scene())


def test_silence_is_answered_by_other_words_then_the_menu_then_an_agent(virtually: Virtually, stage: MakeStage) -> None:
    async def scene() -> None:
        on = stage()
        assert await on.queue_of(on.begin()) == "service"
        steps = [silent["step"] for silent in on.noted("caller.silent")]
        assert steps == ["help"] * 3 + ["main_menu"] * 2
        assert 60 < asyncio.get_running_loop().time() < 120

    virtually(scene())


def test_time_begins_to_run_when_the_question_was_heard(virtually: Virtually, stage: MakeStage) -> None:
    async def scene() -> None:
        on = stage()
        call = on.begin()
        await asyncio.sleep(0.2 * len("王先生，您好，欢迎致电客服热线。请问有什么可以帮您？") + 5.9)
        assert on.noted("caller.silent") == []
        await asyncio.sleep(0.2)
        assert len(on.noted("caller.silent")) == 1
        await on.hangs_up(call)

    virtually(scene())


def test_who_speaks_long_is_heard_out(virtually: Virtually, stage: MakeStage) -> None:
    async def scene() -> None:
        on = stage()
        call = on.begin()
        await asyncio.sleep(10)
        await on.says("我昨天在你们那里买了一件衣服穿着不合适我想退款", seconds=12)
        assert isinstance(await call, ToQueue)
        assert on.noted("caller.silent") == []

    virtually(scene())


def test_speech_that_never_ends_is_not_waited_for(virtually: Virtually, stage: MakeStage) -> None:
    async def scene() -> None:
        on = stage()
        call = on.begin()
        await asyncio.sleep(10)
        on.starts_to_speak()
        await asyncio.sleep(21)
        assert "不好意思，我没有听清。" in on.heard
        assert on.noted("caller.silent") == []
        await on.hangs_up(call)

    virtually(scene())


def test_the_order_is_told_and_told_again(virtually: Virtually, stage: MakeStage) -> None:
    async def scene() -> None:
        on = stage()
        call = on.begin()
        await asyncio.sleep(9)
        await on.says("查订单")
        await asyncio.sleep(12)
        told = "您最近一笔订单，是11月20日下单的咖啡机，现在已经发货。请问还有什么可以帮您？"
        assert on.heard.endswith(told)
        await on.says("再说一遍")
        await asyncio.sleep(12)
        assert on.heard.endswith(told + told)
        await on.says("没有了谢谢")
        assert await call == Finished("goodbye", solved=True)
        assert on.noted("service.answered") == [{"step": "latest_order", "service": "latest_order", "found": True}]

    virtually(scene())


def test_keys_pressed_ahead_are_kept_for_the_next_question(virtually: Virtually, stage: MakeStage) -> None:
    async def scene() -> None:
        on = stage()
        on.presses("1")
        on.presses("0")
        assert await on.queue_of(on.begin()) == "service"
        assert "latest_order" in [note["step"] for note in on.noted("flow.step")]

    virtually(scene())


def test_the_conversation_is_taken_up_after_the_queue(virtually: Virtually, stage: MakeStage) -> None:
    async def scene() -> None:
        on = stage()
        call = on.begin()
        await asyncio.sleep(9)
        await on.says("转人工")
        outcome = await call
        assert isinstance(outcome, ToQueue)
        assert outcome.overflow is not None
        assert await on.begin(at=outcome.overflow) == Finished("nobody_came")
        assert on.heard.endswith("请您稍后再打来，再见。")

    virtually(scene())


def test_lines_are_diagnosed_with_music_and_echo(
    virtually: Virtually, stage: MakeStage, main_plan: Dialplan, known: Known
) -> None:
    async def scene() -> None:
        for name in ("music", "echo"):
            on = stage(load_dialplan(main_plan.path.with_name(f"{name}.yaml"), known))
            call = on.begin()
            await asyncio.sleep(59)
            assert (on.phone.echoes, on.heard[:5]) == ((0, "music") if name == "music" else (1, ""))
            assert not on.phone.silent
            assert await call == Finished("end")
            assert on.phone.silent

    virtually(scene())


def test_a_phone_that_is_gone_ends_the_conversation(virtually: Virtually, stage: MakeStage) -> None:
    async def scene() -> None:
        on = stage()
        on.phone.gone = True
        with pytest.raises(LegGone):
            await on.begin()
        on.is_over()
        assert on.noted("recogniser.down") == []

    virtually(scene())


def test_everything_is_noted(virtually: Virtually, stage: MakeStage) -> None:
    async def scene() -> None:
        on = stage()
        call = on.begin()
        await asyncio.sleep(9)
        await on.says("我要退款")
        await call
        kinds = [kind for kind, _ in on.notes]
        assert kinds == [
            *("flow.step", "flow.step"),
            *("caller.heard", "intent.understood", "prompt.played"),
            *("flow.step", "prompt.played"),
        ]
        (heard,) = on.noted("caller.heard")
        assert (heard["text"], heard["syllables"]) == ("我要退款", "wo yao tui kuan")
        assert heard["speech_ended"] == pytest.approx(10.0)
        (understood,) = on.noted("intent.understood")
        assert understood == {"step": "help", "intent": "refund", "confidence": 1.0, "phrase": "我要退款"}

    virtually(scene())


@pytest.mark.parametrize("seed", range(40))
def test_a_hang_up_at_any_moment_leaves_nothing_behind(virtually: Virtually, stage: MakeStage, seed: int) -> None:
    chance = random.Random(seed)

    async def scene() -> None:
        on = stage()
        on.service.takes = chance.choice((0.0, 0.5, 60.0))
        call = on.begin()
        while not call.done() and chance.random() < 0.8:
            await asyncio.sleep(chance.choice((0.0, 0.01, 0.3, 2.0, 8.0)))
            match chance.randrange(5):
                case 0:
                    on.presses(chance.choice("0123*#"))
                case 1:
                    on.starts_to_speak()
                case 2:
                    on.has_said(chance.choice(("查订单", "我要退款", "再说一遍", "天气", "")))
                case 3:
                    on.recogniser.down = chance.random() < 0.3
                case _:
                    on.recogniser.events.put_nowait(RecogniserDown("the worker died"))
        if call.done():
            on.is_over()
        else:
            await on.hangs_up(call)

    virtually(scene())
