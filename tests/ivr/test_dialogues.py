"""``hotline check``: dialogues that hold, dialogues that do not, and files that are no dialogues."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ivr.dialogues import CheckReport, check
from ivr.plan import Known

PLAN = """\
start: hello
intents: {refund: [我要退款], agent: [转人工]}
steps:
  hello:
    greet: "{caller.address}，您好。"
    general: 您好。
    then: help
  help:
    ask: 有什么可以帮您？
    again: 请再说一遍。
    intents: {refund: latest, agent: people}
    menu: keys
  keys:
    menu: 退款请按1。
    keys: {1: latest}
    again: 请按1。
    otherwise: people
  latest:
    serve: latest_order
    say: 是{product}。
    found: song
    not_found: line
    failed: people
  song:
    music: 5
    say: 请听音乐。
    then: test
  test:
    echo: 3
    then: bye
  line:
    dial: "1001"
    failed: bye
  people:
    queue: service
    max_wait: 60
    overflow: bye
  bye:
    hang_up: 再见。
"""

Checked = Callable[[str], CheckReport]


@pytest.fixture
def checked(tmp_path: Path, known: Known) -> Checked:
    def write_and_check(dialogues: str) -> CheckReport:
        (tmp_path / "plan.yaml").write_text(PLAN, encoding="utf-8")
        (tmp_path / "plan.dialogues.yaml").write_text(dialogues, encoding="utf-8")
        return check([tmp_path], known)

    return write_and_check


def held(checked: Checked, *lines: str, head: str = "") -> str:
    """Check one dialogue; what went wrong, or empty."""
    report = checked(f"- dialogue: 试\n{head}  lines:\n" + "".join(f"    - {line}\n" for line in lines))
    return "" if report.ok else str(report).splitlines()[0]


@pytest.mark.parametrize(
    "lines",
    [
        ["hotline says: 您好。有什么可以帮您？", "caller says: 帮我转人工", "goes to queue: service"],
        ["caller says: 转人工", "goes to queue: service", "nobody answers", "hotline says: 再见", "ends"],
        ["caller says: 我要退款", "dials: '1001'", "nobody answers", "ends"],
        ["caller is silent", "hotline says: 再说一遍", "caller presses: '1'", "dials: '1001'"],
        ["recogniser is down", "hotline says: 您好。退款请按1", "caller is silent", "hotline says: 请按1"],
        ["voice is down", "goes to queue: service"],
        ["caller says: 今天天气怎么样", "recogniser is down", "caller is silent", "hotline says: 退款请按1"],
    ],
)
def test_a_dialogue_that_the_plan_holds(checked: Checked, lines: list[str]) -> None:
    assert held(checked, *lines, head="  services: {latest_order: not_found}\n") == ""


def test_music_and_echo_are_seen(checked: Checked) -> None:
    head = "  caller: {surname: 王, title: 女士}\n  services: {latest_order: {product: 茶}}\n"
    lines = ("hotline says: 王女士，您好", "caller says: 退款", "hotline says: 是茶。请听音乐。")
    assert held(checked, *lines, "music for: 5", "echo for: 3", "ends", head=head) == ""
    assert held(checked, *lines, "music for: 6", head=head).endswith(
        "expected music for 6 s, but the hotline has ended the call"
    )


@pytest.mark.parametrize(
    ("lines", "failure"),
    [
        (
            ["hotline says: 早上好"],
            "4: 试: expected '早上好', but the hotline says '您好。有什么可以帮您？' and asks at the step help",
        ),
        (
            ["hotline says: 有什么可以帮您", "hotline says: 您好"],
            "5: 试: expected '您好', but the hotline says '？' and asks at the step help",
        ),
        (
            ["caller says: 我要退款", "goes to queue: refunds"],
            "5: 试: expected the queue refunds, but the hotline goes to the queue service ('我要退款' was"
            " understood as refund;"
            " nearest: refund, 1.0)",
        ),
        (
            ["caller says: 今天天气怎么样", "goes to queue: service"],
            "5: 试: expected the queue service, but the hotline asks at the step help ('今天天气怎么样' was not"
            " understood)",
        ),
        (
            ["caller presses: '1'", "caller says: 你好", "ends"],
            "5: 试: the caller speaks, but the hotline goes to the queue service",
        ),
        (
            ["recogniser is down", "caller says: 我要退款", "ends"],
            "5: 试: the caller speaks, but the hotline asks at the step keys for a key",
        ),
        (["ends"], "4: 试: expected the call to end, but the hotline asks at the step help"),
        (["nobody answers", "ends"], "4: 试: nobody is asked to answer; the hotline asks at the step help"),
        (["dials: '1001'"], "4: 试: expected 1001 to be dialled, but the hotline asks at the step help"),
    ],
)
def test_a_dialogue_that_the_plan_does_not_hold(checked: Checked, lines: list[str], failure: str) -> None:
    assert held(checked, *lines, head="  services: {latest_order: failed}\n") == f"plan.dialogues.yaml:{failure}"


def test_a_service_that_the_dialogue_does_not_mention(checked: Checked) -> None:
    assert held(checked, "caller says: 我要退款", "ends").endswith(
        "the service latest_order is asked, and 'services' does not say what it finds"
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("title: x", "1: dialogues must be a list, not a mapping; begin each with '- dialogue: its title'"),
        ("- lines: [ends]", "1: a dialogue lacks 'dialogue'"),
        ("- dialogue: x", "1: a dialogue lacks 'lines'"),
        (
            "- dialogue: x\n  lines: [caller is silent]",
            "1: this dialogue expects nothing; add 'hotline says', 'goes to queue' or 'ends'",
        ),
        ("- dialogue: x\n  lines: [end]", "2: no line of a dialogue: 'end'; did you mean 'ends'?"),
        (
            "- dialogue: x\n  lines: [ends, caller says]",
            "2: no line of a dialogue: 'caller says'; 'caller says' needs words after a colon",
        ),
        ("- dialogue: x\n  lines: [ends, {ends: now}]", "2: no line of a dialogue: 'ends'; 'ends' stands alone"),
        (
            "- dialogue: x\n  lines: [ends, {caller say: hi}]",
            "2: no line of a dialogue: 'caller say'; did you mean 'caller says'?",
        ),
        ("- dialogue: x\n  lines: [ends, {caller says: }]", "2: 'caller says' needs words, not nothing"),
        (
            "- dialogue: x\n  lines: [ends, {caller presses: x}]",
            "2: 'x' is no key of a telephone; the keys are 1 2 3 4 5 6 7 8 9 0 * #",
        ),
        ("- dialogue: x\n  lines: [ends, {music for: long}]", "2: 'music for' needs a number of seconds, not 'long'"),
        (
            "- dialogue: x\n  caller: {sirname: 王}\n  lines: [ends]",
            "2: a caller has no 'sirname'; did you mean 'surname'?",
        ),
        (
            "- dialogue: x\n  services: {last_order: failed}\n  lines: [ends]",
            "2: the plan has no 'last_order'; did you mean 'latest_order'?",
        ),
        (
            "- dialogue: x\n  services: {latest_order: broken}\n  lines: [ends]",
            "2: a service gives values, not_found or failed, not 'broken'",
        ),
        (
            "- dialogue: x\n  services: {latest_order: {produkt: 茶}}\n  lines: [ends]",
            "2: latest_order has no 'produkt'; did you mean 'product'?",
        ),
    ],
)
def test_what_is_no_dialogue_is_named(checked: Checked, text: str, problem: str) -> None:
    report = checked(text)
    assert f"plan.dialogues.yaml:{problem}" in [str(each) for each in report.problems]
    assert not report.ok


def test_a_broken_dialogue_does_not_hide_the_others(checked: Checked) -> None:
    report = checked(
        "- dialogue: a\n  lines: [end]\n- dialogue: b\n  lines: [ends]\n- dialogue: c\n  lines: [hotline says: 您好]\n"
    )
    assert (report.dialogues, len(report.failures)) == (2, 1)
    assert report.failures[0].dialogue == "b"


def test_a_broken_plan_is_reported_and_its_dialogues_are_not_held(tmp_path: Path, known: Known) -> None:
    (tmp_path / "plan.yaml").write_text(PLAN.replace("start: hello", "start: hullo"), encoding="utf-8")
    (tmp_path / "plan.dialogues.yaml").write_text("- dialogue: x\n  lines: [ends]\n", encoding="utf-8")
    report = check([tmp_path], known)
    assert str(report) == (
        "plan.yaml:1: there is no step 'hullo'; did you mean 'hello'?\n1 dialplans, 0 dialogues: 1 wrong"
    )


def test_dialogues_without_a_plan_are_reported(tmp_path: Path, known: Known) -> None:
    (tmp_path / "plan.dialogues.yaml").write_text("- dialogue: x\n  lines: [ends]\n", encoding="utf-8")
    assert "plan.dialogues.yaml:1: there is no plan.yaml beside it" in str(check([tmp_path], known))


def test_the_dialplans_that_come_with_the_product(main_plan: object, known: Known) -> None:
    report = check([Path(__file__).parents[2] / "dialplans"], known)
    assert str(report) == "5 dialplans, 18 dialogues: nothing wrong"
