"""Conversations on a stage, in virtual time: a character takes 0.2 s to say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from calls import Caller, Identity, ToQueue

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
        assert on.phone.silent
        assert on.recogniser.open == 0

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
