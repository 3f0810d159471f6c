"""The E-model: known points of ITU-T G.107 and G.113, and what a leg's counters make of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.engine import Codec, FarSide, LegStats
from media.quality import (
    IMPAIRMENTS,
    Impairment,
    delay_impairment,
    effective_impairment,
    mos,
    r_factor,
    received,
    sent,
)

G711 = IMPAIRMENTS[Codec.PCMA]
CLEAN = LegStats(500, 500, 0, 0, 0, 0.0, 5.0)


@pytest.mark.parametrize(
    ("r", "expected"),
    # G.107 table B.1: the limits of what users are satisfied with.
    [(93.2, 4.41), (90, 4.34), (80, 4.03), (70, 3.60), (60, 3.10), (50, 2.58), (0, 1.0), (-20, 1.0), (120, 4.5)],
)
def test_a_rating_as_an_opinion(r: float, expected: float) -> None:
    assert mos(r) == pytest.approx(expected, abs=0.01)


def test_loss_of_g711_with_concealment() -> None:
    assert effective_impairment(G711, 0) == 0
    assert effective_impairment(G711, 0.01) == pytest.approx(95 / 26.1)
    assert effective_impairment(Impairment(11, 19), 0.02) == pytest.approx(11 + 84 * 2 / 21)  # G.729A, table I.4


@pytest.mark.parametrize(("ms", "expected"), [(0, 0), (100, 0), (150, 0.05), (200, 3.0), (400, 24.0)])
def test_delay_hurts_from_150_ms_on(ms: float, expected: float) -> None:
    assert delay_impairment(ms) == pytest.approx(expected, abs=0.6)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 2_000), st.floats(0, 2_000))
def test_worse_is_never_rated_better(loss: float, more: float, delay: float, longer: float) -> None:
    better = r_factor(G711, min(loss, more), min(delay, longer))
    worse = r_factor(G711, max(loss, more), max(delay, longer))
    assert worse <= better + 1e-9
    assert 1 <= mos(worse) <= 4.5


def test_every_codec_is_rated() -> None:
    assert set(IMPAIRMENTS) == set(Codec)


def test_a_clean_line() -> None:
    way = received(CLEAN)
    assert way is not None
    assert (way.packets, way.loss, way.delay_ms) == (500, 0, 60)
    assert way.mos == pytest.approx(4.41, abs=0.01)
    assert sent(CLEAN) is None, "nobody said how our stream arrived"


def test_both_directions_of_a_line_that_is_bad_in_one() -> None:
    far = FarSide(reports=3, heard=3, expected=500, lost=50, jitter_ms=30, round_trip_ms=300)
    stats = LegStats(500, 500, 0, 0, 0, 0.0, 5.0, far=far)
    heard, told = received(stats), sent(stats)
    assert heard is not None
    assert told is not None
    assert (told.loss, told.jitter_ms, told.delay_ms) == (0.1, 30, 150 + 20 + 60)
    assert heard.delay_ms == 150 + 20 + 40
    assert told.mos == pytest.approx(3.08, abs=0.01)
    assert heard.mos > 4


def test_what_never_came_is_not_rated() -> None:
    assert received(LegStats(0, 500, 0, 0, 0, 0.0, -1)) is None
