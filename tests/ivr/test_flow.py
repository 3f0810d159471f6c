"""The main plan, walked step by step: results go in, actions come out."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calls import Caller, Dial, Finished, Identity, Intent, ToQueue
from ivr import plan as steps
from ivr.actions import (
    Action,
    Ask,
    Deaf,
    Done,
    Echo,
    Failed,
    Found,
    Music,
    NotFound,
    NotUnderstood,
    Pressed,
    Result,
    Say,
    Serve,
    Silence,
    Speechless,
    Understood,
)
from ivr.flow import FOLLOWS, Flow
from ivr.loader import load_dialplan
from ivr.plan import Dialplan, Known
from ivr.vocabulary import KINDS

WANG = Caller(Identity.ONE, surname="王", title="先生")
STRANGER = Caller(Identity.NONE)
ORDER = {"product": "咖啡机", "status": "已经发货", "date": "11月20日", "expected": ""}


def understood(name: str) -> Understood:
    return Understood(Intent(name, 1.0))


def says(action: Action) -> str:
    assert isinstance(action, Say | Ask | Serve)
    return "".join(action.says)


def test_what_is_said_before_a_question_belongs_to_it(main_plan: Dialplan) -> None:
    action = Flow(main_plan, WANG).start()
    assert isinstance(action, Ask)
    assert action.says == ("王先生，您好，欢迎致电客服热线。", "请问有什么可以帮您？")
    assert set(action.intents) == {"order", "refund", "complaint", "agent", "repeat", "goodbye"}
    assert set(action.keys) == {"1", "2", "3", "0", "*"}


@pytest.mark.parametrize("caller", [STRANGER, Caller(Identity.ONE, surname="李"), Caller(Identity.UNKNOWN)])
def test_whose_address_is_unknown_is_greeted_in_general(main_plan: Dialplan, caller: Caller) -> None:
    assert says(Flow(main_plan, caller).start()).startswith("您好，欢迎致电客服热线。")


def test_words_come_before_the_queue(main_plan: Dialplan) -> None:
    flow = Flow(main_plan, STRANGER)
    flow.start()
    action = flow.feed(understood("refund"))
    assert action == Say("to_refunds", ("好的，我为您转接退款专员，请稍等。",))
    assert flow.feed(Done()) == ToQueue("to_refunds", "refunds", "refund", 180.0, "nobody_came")


def test_the_flow_goes_on_when_nobody_came(main_plan: Dialplan) -> None:
    flow = Flow(main_plan, STRANGER)
    action = flow.at("nobody_came")
    assert says(action).startswith("非常抱歉")
    assert flow.feed(Done()) == Finished("nobody_came", solved=False)


def test_a_service_fills_its_sentence_and_leaves_out_what_it_does_not_know(main_plan: Dialplan) -> None:
    flow = Flow(main_plan, STRANGER)
    flow.start()
    assert flow.feed(understood("order")) == Serve("latest_order", (), "latest_order")
    answer = flow.feed(Found(ORDER))
    assert says(answer) == "您最近一笔订单，是11月20日下单的咖啡机，现在已经发货。请问还有什么可以帮您？"
    flow.feed(understood("goodbye"))
    assert flow.feed(Done()) == Finished("goodbye", solved=True)


def test_who_needs_an_agent_after_all_was_not_helped_by_the_service(main_plan: Dialplan) -> None:
    flow = Flow(main_plan, STRANGER)
    flow.start()
    flow.feed(understood("order"))
    flow.feed(Found(ORDER))
    flow.feed(understood("agent"))
    flow.feed(Done())
    assert not flow.solved


@pytest.mark.parametrize(
    ("result", "words"), [(NotFound(), "没有查到您这个号码名下的订单"), (Failed(), "现在查不了订单")]
)
def test_a_service_that_does_not_help_has_a_way_on(main_plan: Dialplan, result: Result, words: str) -> None:
    flow = Flow(main_plan, STRANGER)
    flow.start()
    flow.feed(understood("order"))
    assert words in says(flow.feed(result))


def test_each_try_has_another_sentence_then_the_menu_then_an_agent(main_plan: Dialplan) -> None:
    flow = Flow(main_plan, STRANGER)
    asked = [says(flow.start())]
    results: list[Result] = [NotUnderstood(), Silence(), Pressed("9"), Silence()]
    for result in results:
        asked.append(says(flow.feed(result)))
    assert len(set(asked)) == 5
    menu = flow.plan.steps["main_menu"]
    assert isinstance(menu, steps.Menu)
    assert asked[3:] == [menu.menu.text, menu.again[0].text]
    assert says(flow.feed(Silence())) == "好的，我为您转接人工客服，请稍等。"


def test_repeating_says_the_answer_again_with_the_question(main_plan: Dialplan) -> None:
    flow = Flow(main_plan, STRANGER)
    flow.start()
    flow.feed(understood("order"))
    answer = flow.feed(Found(ORDER))
    assert flow.feed(understood("repeat")) == answer
    assert flow.feed(Pressed("*")) == answer


def test_repeating_the_first_question_greets_again(main_plan: Dialplan) -> None:
    flow = Flow(main_plan, WANG)
    first = flow.start()
    flow.feed(NotUnderstood())
    assert flow.feed(understood("repeat")) == first
    assert flow.intent == ""


def test_a_key_stands_for_the_intent_that_leads_to_the_same_step(main_plan: Dialplan) -> None:
    flow = Flow(main_plan, STRANGER)
    flow.start()
    flow.feed(Pressed("3"))
    assert flow.feed(Done()) == ToQueue("to_complaints", "complaints", "complaint", 180.0, "nobody_came")


def test_without_a_recogniser_the_menu_follows_the_greeting(main_plan: Dialplan) -> None:
    flow = Flow(main_plan, WANG)
    flow.start()
    action = flow.feed(Deaf())
    assert isinstance(action, Ask)
    assert action.step == "main_menu"
    assert says(action).startswith("王先生，您好，欢迎致电客服热线。查订单请按1")
    assert action.intents == ()


def test_a_recogniser_that_is_lost_later_does_not_repeat_the_greeting(main_plan: Dialplan) -> None:
    flow = Flow(main_plan, WANG)
    flow.start()
    flow.feed(NotUnderstood())
    assert says(flow.feed(Deaf())).startswith("查订单请按1")


def test_who_cannot_be_spoken_to_is_brought_to_an_agent(main_plan: Dialplan) -> None:
    flow = Flow(main_plan, WANG)
    flow.start()
    assert isinstance(flow.feed(Speechless()), Ask)
    assert isinstance(flow.feed(Speechless()), Say)
    assert isinstance(flow.feed(Done()), ToQueue)


def test_a_result_that_answers_nothing_is_refused(main_plan: Dialplan) -> None:
    flow = Flow(main_plan, WANG)
    flow.start()
    with pytest.raises(TypeError, match="Found does not answer"):
        flow.feed(Found())
    with pytest.raises(TypeError, match="does not listen for the intent 'weather'"):
        flow.feed(understood("weather"))


def test_lines_are_diagnosed(known: Known, main_plan: Dialplan) -> None:
    def begin(name: str) -> tuple[Flow, Action]:
        flow = Flow(load_dialplan(main_plan.path.with_name(f"{name}.yaml"), known), STRANGER)
        return flow, flow.start()

    flow, action = begin("echo")
    assert action == Echo("echo", 60.0)
    assert flow.feed(Done()) == Finished("end")
    flow, action = begin("music")
    assert action == Music("music", 60.0)
    assert flow.feed(Done()) == Finished("end")
    flow, action = begin("dial")
    assert action == Dial("dial", "1001", 30.0, "end")
    assert flow.at("end") == Finished("end")
    assert begin("route")[1] == ToQueue("route", "diagnosis", "", 60.0, "end")


RESULTS: dict[type, list[Result]] = {
    Ask: [
        *(Pressed(key) for key in "0123456789*#"),
        *(understood(name) for name in ("order", "refund", "complaint", "agent", "repeat", "goodbye")),
        NotUnderstood(),
        Silence(),
        Deaf(),
        Speechless(),
    ],
    Serve: [Found(ORDER), NotFound(), Failed()],
    Say: [Done()],
}


@settings(max_examples=200)
@given(data=st.data())
def test_every_way_through_the_plan_ends_when_the_caller_falls_silent(main_plan: Dialplan, data: st.DataObject) -> None:
    flow = Flow(main_plan, data.draw(st.sampled_from([WANG, STRANGER])))
    action = flow.start()
    for _ in range(data.draw(st.integers(0, 12))):
        if isinstance(action, ToQueue | Dial | Finished):
            break
        menu = isinstance(action, Ask) and not action.intents
        possible = [
            each for each in RESULTS[type(action)] if not (menu and isinstance(each, Understood | NotUnderstood | Deaf))
        ]
        action = flow.feed(data.draw(st.sampled_from(possible)))
    for _ in range(30):
        if isinstance(action, ToQueue | Dial | Finished):
            return
        action = flow.feed(Silence() if isinstance(action, Ask) else RESULTS[type(action)][0])
    pytest.fail(f"still at {action}")


def test_the_table_answers_for_every_step_that_waits() -> None:
    assert {step for step, _ in FOLLOWS} == {kind.becomes for kind in KINDS.values()} - {
        steps.Greet,
        steps.Say,
        steps.Repeat,
    }
