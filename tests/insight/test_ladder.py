"""One call drawn as a ladder."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calls import Event
from insight import ladder
from insight.cells import cells, cut, pad, wrap
from insight.words import tell

BEGAN = datetime(2026, 3, 1, 1, 30, tzinfo=UTC)


def at(ms: int, kind: str, agent: str | None = None, **details: object) -> Event:
    return Event(kind, BEGAN + timedelta(milliseconds=ms), "c1", agent, details)


def test_a_call_from_top_to_bottom() -> None:
    drawn = ladder([
        at(0, "call.invited", called="4001"),
        at(8, "call.answered"),
        at(3000, "prompt.played", text="您好，请问您要办理什么业务？查订单请按1，退款请按2。", interrupted_by="voice"),
        at(4100, "caller.heard", text="我要退款", syllables="wo yao tui kuan"),
        at(4101, "intent.matched", intent="refund", confidence=0.934),
        at(4110, "queue.offered", "1001"),
        at(6000, "queue.refused", "1001", status=486),
        at(9001, "call.bridged"),
        at(20000, "call.ended", by="caller", status=200),
    ])
    assert drawn.splitlines() == [
        "c1  2026-03-01 01:30:00.000+00:00",
        "",
        "      ms  caller                                   hotline                                  agent",
        "          │                                        │                                        │",
        "       0  │───────────── INVITE 4001 ─────────────▶│                                        │",
        "       8  │◀─────────────── 200 OK ────────────────│                                        │",
        "    3000  │◀── 您好，请问您要办理什么业务？查订 ───│                                        │",
        "          │    单请按1，退款请按2。 ✂ voice        │                                        │",
        "    4100  │───── 我要退款 (wo yao tui kuan) ──────▶│                                        │",
        "    4101  │                                        │ intent refund 0.93                     │",
        "    4110  │                                        │───────────── INVITE 1001 ─────────────▶│",
        "    6000  │                                        │◀────────────── 1001 486 ───────────────│",
        "    9001  │◀═══════════════════════════════════ joined ════════════════════════════════════▶│",
        "   20000  │                                        │ over, by caller 200                    │",
    ]


def test_a_kind_without_words_shows_its_details() -> None:
    assert tell(at(0, "system.surprise", "1001", size=3, empty="")).text == "system.surprise 1001 size=3"


def test_nothing_that_a_caller_sent_steers_the_terminal() -> None:
    drawn = ladder([at(0, "call.invited", called="\x1b[2J4001"), at(1, "flow.step", step="a\nb")])
    assert "\x1b" not in drawn
    assert "INVITE \ufffd[2J4001" in drawn
    assert "step a\ufffdb" in drawn


def test_no_events_no_ladder() -> None:
    with pytest.raises(ValueError, match="at least one event"):
        ladder([])


@given(st.text(max_size=200))
def test_every_rung_keeps_the_lifelines_in_their_columns(text: str) -> None:
    drawn = ladder([
        at(0, "caller.heard", text=text), at(1, "flow.step", step=text), at(2, "queue.offered", text or None),
        at(3, "prompt.ended", text=text),
    ])
    for line in drawn.split("\n")[3:]:
        assert cells(line) == 10 + 1 + 40 + 1 + 40 + 1


@given(st.text(max_size=100), st.integers(2, 30))
def test_wrapping_loses_nothing_but_spaces(text: str, width: int) -> None:
    lines = wrap(text, width)
    assert all(cells(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


@pytest.mark.parametrize(("text", "width", "shown"), [
    ("王先生", 6, "王先生"), ("王先生", 5, "王先…"), ("王先生", 4, "王…"), ("abc", 2, "a…"), ("e\u0301", 1, "e\u0301"),
])
def test_cutting_counts_cells(text: str, width: int, shown: str) -> None:
    assert cut(text, width) == shown


def test_padding_fills_to_the_cell() -> None:
    assert pad("王", 4) == "王  "
    assert cells(pad("王先生", 4)) == 4


def test_how_a_line_was() -> None:
    line = {"leg": "l1", "side": "caller", "codec": "PCMA", "round_trip_ms": 12.5}
    heard = {"from_mos": 4.41, "from_loss": 0.0, "from_jitter_ms": 0.62, "from_packets": 500}
    hears = {"to_mos": 2.8, "to_loss": 0.1034, "to_jitter_ms": 30.0, "to_packets": 500}
    assert tell(at(0, "leg.quality", None, **line, **heard, **hears)).text == (
        "line of the caller, PCMA; heard: MOS 4.41 loss 0.0% jitter 0.62 ms; "
        "hears: MOS 2.80 loss 10.3% jitter 30.00 ms; RTT 12.50 ms"
    )
    assert tell(at(0, "leg.quality", leg="l1", side="agent", codec="opus")).text == "line of the agent, opus"


def test_why_there_was_no_audio() -> None:
    told = tell(at(0, "leg.no_audio", side="caller", cause="on_hold", text="对方处于保持状态", english="on hold"))
    assert told.text == "caller: 对方处于保持状态 / on hold"


@pytest.mark.parametrize(("kind", "details", "words"), [
    ("trouble", {"problem": "No space left on device"},
     "录音无法写入磁盘，通话不受影响 / the recording cannot be written: No space left on device"),
    ("resumed", {"missing_ms": 0}, "录音恢复写入，没有缺失 / the recording is written again, nothing is missing"),
    ("resumed", {"missing_ms": 1250},
     "录音恢复写入，至此缺失 1.25 秒 / the recording is written again, 1.25 s are missing"),
    ("incomplete", {"missing_ms": 40}, "录音不完整，缺失 0.04 秒 / the recording is incomplete, 0.04 s are missing"),
])
def test_what_the_disk_did_to_a_recording(kind: str, details: dict[str, Any], words: str) -> None:
    assert tell(at(0, f"recording.{kind}", **details)).text == words
