"""Every mistake in a dialplan is named with its line and what would be right."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calls.errors import DialplanError
from ivr.dialogues import check
from ivr.loader import load_dialplan
from ivr.plan import Ask, Dialplan, DialplanErrors, Known, Queue, Say
from ivr.vocabulary import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable

    Refused = Callable[[str], list[str]]

GOOD = """\
start: hello
intents:
  refund: [我要退款, 退钱]
  order: [查订单]
steps:
  hello:
    ask: 您好
    again: [请再说一遍]
    intents: {refund: people, order: latest}
    menu: keys
  keys:
    menu: 退款请按1
    keys: {1: people}
    again: 请按1
    otherwise: people
  latest:
    serve: latest_order
    say: 是{product}。
    found: bye
    not_found: bye
    failed: people
  people:
    queue: refunds
    max_wait: 60
    overflow: bye
  bye:
    hang_up:
"""


@pytest.fixture
def load(tmp_path: Path, known: Known) -> Callable[[str], Dialplan]:
    def write_and_load(text: str) -> Dialplan:
        path = tmp_path / "plan.yaml"
        path.write_text(text, encoding="utf-8")
        return load_dialplan(path, known)

    return write_and_load


@pytest.fixture
def refused(load: Callable[[str], Dialplan]) -> Refused:
    def problems(text: str) -> list[str]:
        with pytest.raises(DialplanErrors) as caught:
            load(text)
        return [str(problem) for problem in caught.value.problems]

    return problems


def test_a_sound_plan_loads(load: Callable[[str], Dialplan]) -> None:
    plan = load(GOOD)
    assert plan.name == "plan"
    assert plan.start == "hello"
    assert plan.intents == {"refund": ("我要退款", "退钱"), "order": ("查订单",)}
    assert isinstance(plan.steps["people"], Queue)
    assert plan.steps["people"].max_wait == 60.0
    hello = plan.steps["hello"]
    assert isinstance(hello, Ask)
    assert plan.keys_at(hello) == {"1": "people"}, "a question without keys takes those of its menu"


def test_scalars_stay_what_was_written(load: Callable[[str], Dialplan]) -> None:
    plan = load("start: a\nsteps:\n  a: {say: 0123, then: b}\n  b: {say: 9:30, then: c}\n  c: {hang_up: yes}\n")
    said = [step.say.text for step in plan.steps.values() if isinstance(step, Say)]
    assert said == ["0123", "9:30"]
    assert plan.sentences() == ("0123", "9:30", "yes")


def test_a_sentence_may_be_wrapped(load: Callable[[str], Dialplan]) -> None:
    plan = load("start: a\nsteps:\n  a:\n    hang_up: 感谢您的来电，\n      再见。\n")
    assert plan.sentences() == ("感谢您的来电，再见。",)


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("start: hello", "start: helo", "1: there is no step 'helo'; did you mean 'hello'?"),
        ("start: hello\n", "", "1: the section 'start' is missing"),
        ("steps:", "step:", "5: unknown section 'step'; did you mean 'steps'?"),
        ("queue: refunds", "queue: refund", "23: 'queue' cannot be 'refund'; did you mean 'refunds'?"),
        ("queue: refunds", "quene: refunds", "23: unknown kind of step 'quene'; did you mean 'queue'?"),
        (
            "    queue: refunds\n    max_wait: 60\n",
            "    max_wait: 60\n    queue: refunds\n",
            "23: unknown kind of step 'max_wait'; write 'queue' first",
        ),
        ("max_wait: 60", "maxwait: 60", "24: 'queue' has no field 'maxwait'; did you mean 'max_wait'?"),
        ("    max_wait: 60\n", "", "22: the step 'people' lacks 'max_wait'; it holds a number of seconds above 0"),
        ("max_wait: 60", "max_wait: soon", "24: 'max_wait' cannot be 'soon'; it holds a number of seconds above 0"),
        ("max_wait: 60", "max_wait: 0", "24: 'max_wait' cannot be '0'; it holds a number of seconds above 0"),
        ("max_wait: 60", "max_wait: nan", "24: 'max_wait' cannot be 'nan'; it holds a number of seconds above 0"),
        ("max_wait: 60", "max_wait: [60]", "24: 'max_wait' cannot be a list; it holds a number of seconds above 0"),
        (
            "serve: latest_order",
            "serve: last_order",
            "17: 'serve' cannot be 'last_order'; did you mean 'latest_order'?",
        ),
        ("{product}", "{produkt}", "18: unknown placeholder {produkt}; did you mean 'product'?"),
        (
            "ask: 您好",
            "ask: '{caller.addres}您好'",
            "7: unknown placeholder {caller.addres}; did you mean 'caller.address'?",
        ),
        ("ask: 您好", "ask: 您好}", "7: a brace without its partner; a placeholder is written {caller.address}"),
        ("ask: 您好", "ask: [您好]", "7: 'ask' must be words, not a list"),
        ("ask: 您好", "ask:", "7: 'ask' must be words, not nothing"),
        ("{refund: people, order", "{refunt: people, order", "9: unknown intent 'refunt'; did you mean 'refund'?"),
        ("{refund: people, order: latest}", "{order: latest}", "3: no question listens for the intent 'refund'"),
        ("menu: keys", "menu: people", "10: the step 'people' is no menu; name a step that begins with 'menu'"),
        (
            "keys: {1: people}",
            "keys: {A: people}",
            "13: 'A' is no key of a telephone; the keys are 1 2 3 4 5 6 7 8 9 0 * #",
        ),
        (
            "keys: {1: people}",
            "keys: {12: people}",
            "13: '12' is no key of a telephone; the keys are 1 2 3 4 5 6 7 8 9 0 * #",
        ),
        ("keys: {1: people}", "keys: {}", "13: 'keys' is empty; it holds a mapping of keys to steps"),
        ("keys: {1: people}", "keys: {1: people, 1: bye}", "13: '1' stands here twice; the first is on line 13"),
        ("  bye:", "  people:", "26: 'people' stands here twice; the first is on line 22"),
        (
            "  bye:\n    hang_up:\n",
            "  bye:\n    hang_up:\n  lost:\n    hang_up:\n",
            "28: nothing leads to the step 'lost'; name it somewhere, or remove it",
        ),
        (
            "  bye:\n    hang_up:\n",
            "  bye:\n    say: 再等等\n    then: people\n",
            "22: a caller who says nothing goes round for ever: people → bye → people;"
            " let one of these steps lead to a queue or hang_up",
        ),
        ("    hang_up:\n", "    repeat:\n", "19: 'bye' repeats a question, so only an answer can lead to it"),
        (
            "order: [查订单]",
            "order: [查订单, 我要退宽]",
            "4: '我要退宽' (order) sounds like '我要退款' (refund, line 3); one of the two must go",
        ),
        ("order: [查订单]", "order: [查订单, ABC]", "4: 'ABC' has no Chinese syllable to be heard by"),
        ("order: [查订单]", "order: []", "4: the intent 'order' needs a list of example phrases"),
        (
            "order: [查订单]",
            "order: &x [查订单]\n  more: *x",
            '5: not YAML: the alias *x is not part of the format; a key such as "*" or "#" stands in quotes',
        ),
        ("ask: 您好", "ask: !secret 您好", "7: the tag !secret is not part of the format; write the value alone"),
        ("  latest:", "  Latest Order:", "16: 'Latest Order' cannot name a step; use a-z, 0-9 and _"),
        ("  bye:\n    hang_up:\n", "  bye: hang_up\n", "26: the step 'bye' must be a mapping, not 'hang_up'"),
    ],
)
def test_a_mistake_is_named(refused: Refused, right: str, wrong: str, message: str) -> None:
    assert right in GOOD
    assert f"plan.yaml:{message}" in refused(GOOD.replace(right, wrong, 1))


def test_all_mistakes_are_named_at_once_by_line(refused: Refused) -> None:
    problems = refused(GOOD.replace("max_wait: 60", "max_wait: soon").replace("found: bye", "found: by", 1))
    assert [problem.split(":")[1] for problem in problems] == ["19", "24"]


def test_a_sip_address_is_dialled_and_nonsense_is_not(load: Callable[[str], Dialplan], refused: Refused) -> None:
    text = "start: a\nsteps:\n  a: {dial: TARGET, failed: b}\n  b: {hang_up: }\n"
    for target in ("1001", "sip:1001@127.0.0.1:5070", "+862112345678", "alice"):
        assert load(text.replace("TARGET", f'"{target}"')).name == "plan"
    (problem,) = refused(text.replace("TARGET", "call me"))
    assert problem.startswith("plan.yaml:3: 'dial' cannot be 'call me'; it holds a SIP address")


def test_what_is_no_yaml_is_refused(refused: Refused, tmp_path: Path, known: Known) -> None:
    assert refused("start: [") == ["plan.yaml:1: not YAML: expected the node content, but found '<stream end>'"]
    assert refused("") == ["plan.yaml:1: the file is empty"]
    assert refused("just words") == ["plan.yaml:1: a dialplan must be a mapping, not 'just words'"]
    (tmp_path / "latin.yaml").write_bytes("start: ü".encode("latin-1"))
    with pytest.raises(DialplanErrors, match=r"latin\.yaml:1: byte 7 is not UTF-8; save the file as UTF-8"):
        load_dialplan(tmp_path / "latin.yaml", known)
    with pytest.raises(DialplanErrors, match=r"none\.yaml:1: cannot be read: No such file"):
        load_dialplan(tmp_path / "none.yaml", known)


@settings(max_examples=150)
@given(cut=st.integers(0, len(GOOD)), junk=st.text("{}[]:*#&!- \n退1a", max_size=6))
def test_nothing_but_dialplan_errors_comes_out(
    tmp_path_factory: pytest.TempPathFactory, known: Known, cut: int, junk: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "plan.yaml"
    path.write_text(GOOD[:cut] + junk + GOOD[cut:], encoding="utf-8")
    problems: tuple[DialplanError, ...] = ()
    try:
        plan = load_dialplan(path, known)
    except DialplanErrors as errors:
        problems = errors.problems
    else:
        assert plan.start in plan.steps
    assert all(problem.line >= 1 for problem in problems)


def test_the_handbook_explains_every_step_and_field() -> None:
    page = (Path(__file__).parents[2] / "docs" / "dialplans.md").read_text(encoding="utf-8")
    for name, kind in KINDS.items():
        row = next(line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
        assert all(f"`{field}`" in row for field in kind.fields), row


def test_the_handbook_s_example_is_sound(tmp_path: Path, known: Known) -> None:
    page = (Path(__file__).parents[2] / "docs" / "dialplans.md").read_text(encoding="utf-8")
    plan, dialogues = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "shop.yaml").write_text(plan, encoding="utf-8")
    (tmp_path / "shop.dialogues.yaml").write_text(dialogues, encoding="utf-8")
    report = check([tmp_path], known)
    assert str(report) == "1 dialplans, 1 dialogues: nothing wrong"

    broken = plan.replace("then: help\n", "then: helpp\n", 1).replace("queue: refunds", "queue: refund")
    (tmp_path / "shop.yaml").write_text(broken, encoding="utf-8")
    for problem in check([tmp_path], known).problems:
        assert str(problem) in page, "the page shows the messages as they are"
