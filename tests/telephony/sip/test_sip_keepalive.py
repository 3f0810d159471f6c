"""Each registered phone is asked whether it is there; the way to it is kept open, and who is gone is found out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from telephony.sip.address import Address, Transport
from telephony.sip.bindings import Binding
from telephony.sip.keepalive import EVERY, FIRST, KeepAlives
from telephony.sip.uri import Uri

ROUTER = Address("198.51.100.1", 40_001)
BEHIND = Binding("1001", Uri.parse("sip:1001@192.168.1.5:5062"), ROUTER, 1e9, "call", 1)
OPEN = replace(BEHIND, contact=Uri.parse("sip:1001@198.51.100.1:40001"))
STREAM = replace(BEHIND, source=Address(ROUTER.host, ROUTER.port, Transport.TCP))
WITHIN = 8.0


class Line:
    """A phone, and what is found out about it. It answers while it is ``awake``."""

    def __init__(self, binding: Binding = BEHIND, registers_every: float = 1e9) -> None:
        self.bindings = {binding.source: binding}
        self.source, self.registers_every = binding.source, registers_every
        self.asked: list[float] = []
        self.told: list[tuple[float, bool]] = []
        self.awake, self.now, self._registers = True, 0.0, 0.0
        self.keeping = KeepAlives(self.bindings.get, self._ask, self._told, within=WITHIN)

    def _ask(self, binding: Binding, now: float) -> str:
        self.asked.append(now)
        return f"question {now:g}"

    def _told(self, source: Address, here: bool, now: float) -> None:
        assert source == self.source
        self.told.append((now, here))

    def answers(self, asked: float, status: int = 200) -> None:
        self.keeping.answered(f"question {asked:g}", status, self.now)

    def runs(self, until: float) -> None:
        while self.now <= until:
            if self.now >= self._registers:
                self.keeping.keep(self.source, self.now)
                self._registers += self.registers_every
            before = len(self.asked)
            self.keeping.tick(self.now)
            if self.awake and len(self.asked) > before:
                self.answers(self.asked[-1])
            moments = (self.keeping.deadline(), self._registers, until + 1)
            self.now = min(moment for moment in moments if moment is not None)
        self.now = until


@pytest.mark.parametrize("binding", [BEHIND, OPEN, STREAM])
def test_a_phone_is_asked_before_its_router_forgets_it(binding: Binding) -> None:
    for registers_every in (1e9, 7.0):
        line = Line(binding, registers_every)
        line.runs(100)
        assert line.asked == [FIRST, *(FIRST + n * EVERY for n in (1, 2, 3))], "once, however often it registers"
        assert {here for _, here in line.told} == {True}


def test_a_phone_behind_a_proxy_is_not_asked_for_its_proxy_does_that() -> None:
    line = Line(replace(BEHIND, path=("<sip:edge;lr>",)))
    line.runs(100)
    assert line.asked == []


def test_a_phone_that_is_registered_no_more_is_left_alone_until_it_registers_again() -> None:
    line = Line()
    line.runs(EVERY)
    line.bindings.clear()
    line.runs(3 * EVERY)
    assert (line.asked, line.keeping.deadline()) == ([FIRST], None)
    line.bindings[ROUTER] = BEHIND
    line.keeping.keep(ROUTER, line.now)
    assert line.keeping.deadline() == 3 * EVERY + FIRST


def test_a_phone_that_falls_asleep_is_gone_within_a_question_and_its_patience_and_back_when_it_answers() -> None:
    line = Line()
    line.runs(FIRST + 1)
    line.awake = False
    line.runs(FIRST + 3 * EVERY)
    assert line.told == [(FIRST, True), (FIRST + EVERY + WITHIN, False), (FIRST + 2 * EVERY + WITHIN, False)]
    assert len(line.asked) == 4, "it is asked on"
    line.awake = True
    line.runs(FIRST + 4 * EVERY)
    assert line.told[-1] == (FIRST + 4 * EVERY, True)


def test_an_answer_that_is_late_counts_all_the_same() -> None:
    line = Line()
    line.runs(FIRST)
    line.awake = False
    line.runs(FIRST + EVERY + 20)
    line.answers(FIRST + EVERY)
    assert line.told[1:] == [(FIRST + EVERY + WITHIN, False), (FIRST + EVERY + 20, True)]


@pytest.mark.parametrize(("status", "told"), [(200, [True]), (405, [True]), (408, []), (503, [False])])
def test_whoever_never_answered_such_a_question_is_judged_by_the_network_alone(status: int, told: list[bool]) -> None:
    line = Line()
    line.awake = False
    line.runs(FIRST + WITHIN + 1)
    assert line.told == []
    line.answers(FIRST, status)
    assert [here for _, here in line.told] == told


def test_answers_to_other_questions_say_nothing() -> None:
    line = Line()
    line.runs(FIRST)
    line.keeping.answered("another question", 503, line.now)
    line.answers(FIRST, 503)
    assert [here for _, here in line.told] == [True], "each question has one answer"
