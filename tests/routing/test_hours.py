"""Opening hours in Shanghai, holidays and working weekends."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from calls.errors import ConfigError
from routing.hours import SHANGHAI, parse_hours

WEEK = parse_hours("mon-fri 9:00-12:00 13:00-18:00; sat 20:00-2:00",
                   holidays=frozenset({date(2025, 10, 1)}), working=frozenset({date(2025, 9, 28)}))


@pytest.mark.parametrize(("at", "is_open"), [
    ("2025-03-03 08:59", False), ("2025-03-03 09:00", True), ("2025-03-03 12:00", False),
    ("2025-03-03 12:59", False), ("2025-03-03 17:59", True), ("2025-03-03 18:00", False),
    ("2025-03-08 21:00", True), ("2025-03-09 01:59", True), ("2025-03-09 02:00", False),
    ("2025-10-01 10:00", False), ("2025-09-28 10:00", True), ("2025-10-05 10:00", False),
])
def test_open(at: str, is_open: bool) -> None:
    assert WEEK.is_open(datetime.fromisoformat(at).replace(tzinfo=SHANGHAI)) is is_open


def test_utc_is_understood() -> None:
    assert WEEK.is_open(datetime(2025, 3, 3, 1, 0, tzinfo=UTC))


@pytest.mark.parametrize(("at", "opens"), [
    ("2025-03-03 10:00", "2025-03-03 10:00"), ("2025-03-03 12:30", "2025-03-03 13:00"),
    ("2025-03-07 18:00", "2025-03-08 20:00"), ("2025-03-09 03:00", "2025-03-10 09:00"),
    ("2025-09-30 18:00", "2025-10-02 09:00"),
])
def test_next_opening(at: str, opens: str) -> None:
    found = WEEK.next_opening(datetime.fromisoformat(at).replace(tzinfo=SHANGHAI))
    assert found == datetime.fromisoformat(opens).replace(tzinfo=SHANGHAI)


def test_what_never_opens_has_no_next_opening() -> None:
    assert parse_hours("").next_opening(datetime(2025, 3, 3, tzinfo=UTC)) is None


def test_all_day_ends_at_midnight() -> None:
    always = parse_hours("mon-sun 0:00-24:00")
    assert always.is_open(datetime(2025, 3, 3, 23, 59, 59, tzinfo=SHANGHAI))
    assert always.is_open(datetime(2025, 3, 4, tzinfo=SHANGHAI))


@pytest.mark.parametrize(("text", "said"), [
    ("mon-fri", "hours are missing"), ("funday 9:00-10:00", "no day"), ("mon 9-10", "no time of day"),
    ("mon 25:00-26:00", "write 9:00"),
])
def test_a_wrong_part_is_shown(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse_hours(text)
