"""What callers say, in their words, against the examples of the main plan."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.intents import CONFIDENT, IntentMatcher
from ivr.pinyin import alike, confusable, content, readings, syllables
from ivr.plan import Dialplan

SAID = {
    "refund": "我要退款|帮我退一下款|能不能退钱|退款|你好我昨天买的衣服不合适我想退款|嗯那个我要退个款|怎么不退款"
    "|可不可以退款|你们为什么不给我退款|我的退款怎么还没收到|买错了想退掉|不要查订单我要退款|我要申请退款谢谢|退货",
    "order": "帮我查一下我的订单|我的快递到哪里了|物流到哪儿了|包裹还没有收到|查一下快递|订单发货了吗"
    "|我不退款我要查订单|东西什么时候能到啊|我想看看我的订单",
    "complaint": "我要投诉你们|投诉|我对你们的服务不满意要投诉|举报一个卖家|收到的是假货|你们客服态度太差了",
    "agent": "转人工|人工|我要人工服务|帮我找个客服|给我转人工客服吧|我要跟真人说话",
    "repeat": "再说一遍|麻烦再重复一遍|什么",
    "goodbye": "再见|没有了|没事了谢谢|不用了|好的没有了谢谢你|拜拜|谢谢再见",
}
UNRELATED = (
    "今天天气怎么样|嗯|喂你好|我在开车|这个手机多少钱|苹果电脑好用吗|我吃过饭了|北京到上海多远|你叫什么名字|等一下啊|孩子别闹了"
    "|现在几点了|好的|是的|可以|我想问一下|我姓王|优惠券怎么用|怎么开发票|修改收货地址"
)
SCATTERED = "推荐一个宽一点的|推荐几款手机给我|透露一下诉求|他推了我一下还挺宽的"
"""Holds the syllables of 退款 or 投诉 in order, but far apart."""
NEGATED = "不要退款|我不想退款|不是退款|我不是要退款|别退款|我不用转人工|不用帮我转人工|我没要投诉|不要投诉"


@pytest.fixture
def matcher(main_plan: Dialplan) -> IntentMatcher:
    return IntentMatcher(main_plan.intents)


@pytest.mark.parametrize(("intent", "said"), [(name, each) for name, all in SAID.items() for each in all.split("|")])
def test_variants_are_understood(matcher: IntentMatcher, intent: str, said: str) -> None:
    understood = matcher.match(syllables(said)).intent
    assert understood is not None
    assert understood.name == intent


@pytest.mark.parametrize("said", [*UNRELATED.split("|"), *SCATTERED.split("|")])
def test_what_has_nothing_to_do_with_it_is_not_understood(matcher: IntentMatcher, said: str) -> None:
    assert matcher.match(syllables(said)).intent is None


@pytest.mark.parametrize("said", NEGATED.split("|"))
def test_what_is_negated_is_not_wanted(matcher: IntentMatcher, said: str) -> None:
    match = matcher.match(syllables(said), {"refund", "agent", "complaint"})
    assert match.intent is None


def test_an_example_is_certain(matcher: IntentMatcher, main_plan: Dialplan) -> None:
    for name, phrases in main_plan.intents.items():
        for phrase in phrases:
            intent = matcher.match(syllables(phrase)).intent
            assert intent is not None
            assert (intent.name, intent.confidence) == (name, 1.0)


@pytest.mark.parametrize(
    ("said", "intent"),
    [
        ("wo yao tui kuang", "refund"),
        ("wo yao dui kuan", "refund"),
        ("wo xiang tou su li men", "complaint"),
        ("zuan ren gong", "agent"),
        ("zhuang len gong", "agent"),
        ("ca ding dang", "order"),
        ("kuai di dao la le", "order"),
        ("zai suo yi bian", "repeat"),
        ("zai jiang", "goodbye"),
        ("chong ting", "repeat"),
        ("suan ren gong", "agent"),
        ("cha yi xia wo de bing dan", "order"),
        ("bao kuo hai mo shou dao", "order"),
        ("nin na ge wo xiang tui ge kuan", "refund"),
    ],
)
def test_accents_and_errors_of_the_recogniser_are_forgiven(matcher: IntentMatcher, said: str, intent: str) -> None:
    understood = matcher.match(said.split()).intent
    assert understood is not None
    assert understood.name == intent


def test_two_wishes_at_once_are_not_clear() -> None:
    matcher = IntentMatcher({"refund": ["退款"], "complaint": ["投诉"]})
    match = matcher.match(syllables("退款投诉"))
    assert match.intent is None
    assert {each.name for each in match.ranked if each.confidence >= CONFIDENT} == {"refund", "complaint"}


def test_only_the_intents_that_were_asked_for_are_considered(matcher: IntentMatcher) -> None:
    assert matcher.match(syllables("我要退款"), {"order", "agent"}).intent is None
    assert matcher.match(syllables("我要退款"), {"order", "refund"}).intent is not None


def test_nothing_heard_is_nothing_meant(matcher: IntentMatcher) -> None:
    assert matcher.match(()) == matcher.match(("xyz",))
    assert matcher.match(()).intent is None


def test_the_point_of_a_long_story_is_found_at_its_end(matcher: IntentMatcher) -> None:
    story = syllables("我上个星期在你们那里给我妈妈买了一台机器") * 5
    intent = matcher.match(story + syllables("我要退款")).intent
    assert intent is not None
    assert intent.name == "refund"


@given(st.lists(st.sampled_from(syllables("我要退款查订单投诉转人工再见今天天气怎么样嗯")), max_size=80))
def test_confidence_stays_in_its_bounds(heard: list[str]) -> None:
    matcher = IntentMatcher({"refund": ["我要退款", "退钱"], "order": ["查订单"], "bye": ["再见"]})
    ranked = matcher.match(heard).ranked
    assert all(0 <= each.confidence <= 1 for each in ranked)
    assert list(ranked) == sorted(ranked, key=lambda each: -each.confidence)


def test_a_syllable_lost_or_put_in_is_survived(matcher: IntentMatcher) -> None:
    chance = random.Random(1)
    sayings = [(name, syllables(each)) for name, all in SAID.items() for each in all.split("|")]
    longer = [(name, heard) for name, heard in sayings if len(heard) >= 5]
    right = wrong = 0
    for name, whole in chance.choices(longer, k=300):
        heard = list(whole)
        at = chance.randrange(len(heard))
        if chance.random() < 0.5:
            heard.insert(at, chance.choice(("en", "a", "de", "shi", "na")))
        else:
            del heard[at]
        intent = matcher.match(heard).intent
        right += intent is not None and intent.name == name
        wrong += intent is not None and intent.name != name
    assert right >= 255, "five in six are understood all the same"
    assert wrong <= 3, "and hardly one is taken for something else"


def test_syllables_are_toneless_and_digits_are_read() -> None:
    assert syllables("我要退款！") == ("wo", "yao", "tui", "kuan")
    assert syllables("7天") == ("qi", "tian")
    assert syllables("嗯，绿色 OK") == ("en", "lv", "se")


def test_a_character_with_several_readings_is_heard_in_each() -> None:
    assert set(readings("还款")) == {("hai", "kuan"), ("huan", "kuan")}
    assert readings("退款") == (("tui", "kuan"),)
    assert IntentMatcher({"pay": ["还款"]}).match(("huan", "kuan")).intent is not None


def test_fillers_carry_nothing() -> None:
    assert content(syllables("嗯那个请问一下退款")) == ("tui", "kuan")
    assert content(syllables("那个")) == ("na", "ge"), "something must remain"


def test_likeness() -> None:
    assert alike("tui", "tui") == 1.0
    assert alike("zhan", "zan") == 0.9
    assert alike("lin", "ning") == pytest.approx(0.81)
    assert alike("tui", "dui") == 0.6
    assert alike("bing", "ding") == 0.45
    assert alike("mo", "mei") == 0.3
    assert alike("tui", "ma") == 0.0
    assert confusable("zhang") == confusable("zan")
    assert confusable("ling") == confusable("nin")
