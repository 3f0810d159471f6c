"""A conversation in which something fails: a service, the recogniser, the voice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import pytest

from asr.recogniser import RecogniserDown
from calls import ToQueue
from calls.errors import ModelError
from selfservice import ServiceFailed

if TYPE_CHECKING:
    from tests.ivr.conftest import Stage

Virtually = Callable[[Coroutine[Any, Any, None]], None]
MakeStage = Callable[..., "Stage"]


@pytest.mark.parametrize("trouble", [ServiceFailed("latest_order", "no answer"), ZeroDivisionError("a bug")])
def test_a_broken_service_costs_no_call(virtually: Virtually, stage: MakeStage, trouble: Exception) -> None:
    async def scene() -> None:
        on = stage()
        on.service.answer = trouble
        call = on.begin()
        await asyncio.sleep(9)
        await on.says("查订单")
        assert await on.queue_of(call) == "service"
        assert "抱歉，现在查不了订单" in on.heard
        assert str(trouble) in str(on.noted("service.failed")[0]["problem"])

    virtually(scene())


def test_a_slow_service_is_given_up(virtually: Virtually, stage: MakeStage) -> None:
    async def scene() -> None:
        on = stage()
        on.service.takes = 3600
        call = on.begin()
        await asyncio.sleep(9)
        await on.says("查订单")
        assert isinstance(await call, ToQueue)
        assert asyncio.get_running_loop().time() < 30

    virtually(scene())


def test_without_a_recogniser_the_keypad_serves(virtually: Virtually, stage: MakeStage) -> None:
    async def scene() -> None:
        on = stage()
        on.recogniser.down = True
        call = on.begin()
        await asyncio.sleep(15)
        assert on.heard.startswith("王先生，您好，欢迎致电客服热线。查订单请按1")
        on.presses("3")
        assert await on.queue_of(call) == "complaints"

    virtually(scene())


def test_a_recogniser_that_dies_costs_one_utterance(virtually: Virtually, stage: MakeStage) -> None:
    async def scene() -> None:
        on = stage()
        call = on.begin()
        await asyncio.sleep(10)
        on.starts_to_speak()
        on.recogniser.events.put_nowait(RecogniserDown("the worker died"))
        await asyncio.sleep(10)
        assert "不好意思，我没有听清。" in on.heard
        await on.says("我要退款")
        assert isinstance(await call, ToQueue)

    virtually(scene())


def test_a_recogniser_that_dies_in_silence_leaves_the_keys(virtually: Virtually, stage: MakeStage) -> None:
    async def scene() -> None:
        on = stage()
        call = on.begin()
        await asyncio.sleep(3)
        on.recogniser.events.put_nowait(RecogniserDown("the worker died"))
        await asyncio.sleep(6)
        on.presses("2")
        assert await on.queue_of(call) == "refunds"

    virtually(scene())


def test_a_sentence_that_cannot_be_said_is_left_out(virtually: Virtually, stage: MakeStage) -> None:
    async def scene() -> None:
        on = stage()
        on.voice.fails = lambda text: ModelError("no voice") if "王先生" in text else None
        call = on.begin()
        await asyncio.sleep(5)
        assert on.heard == "请问有什么可以帮您？"
        assert on.noted("voice.failed")[0]["problem"] == "no voice"
        await on.hangs_up(call)

    virtually(scene())


@pytest.mark.parametrize("how", ["fails", "is stuck"])
def test_who_cannot_be_spoken_to_is_brought_to_an_agent(virtually: Virtually, stage: MakeStage, how: str) -> None:
    async def scene() -> None:
        on = stage()
        on.voice.fails = lambda text: ModelError("no voice") if how == "fails" else None
        on.voice.stuck = how == "is stuck"
        assert await on.queue_of(on.begin()) == "service"
        assert asyncio.get_running_loop().time() <= 30

    virtually(scene())


def test_a_recogniser_that_does_not_get_ready_is_not_waited_for(virtually: Virtually, stage: MakeStage) -> None:
    async def scene() -> None:
        on = stage()
        on.recogniser.stuck = True
        call = on.begin()
        await asyncio.sleep(3)
        assert on.heard.startswith("王先生，您好")
        assert on.noted("recogniser.down") == [{"step": "help", "problem": "took too long"}]
        await on.hangs_up(call)

    virtually(scene())
