"""Opening hours in Shanghai time, with holidays and the working weekends (调休) that make up for them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from calls.errors import ConfigError

SHANGHAI = ZoneInfo("Asia/Shanghai")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WORKDAY_PATTERN = "mon"
"""A working weekend keeps Monday's hours."""

Span = tuple[time, time]
MIDNIGHT = time(0)


@dataclass(frozen=True, slots=True)
class Hours:
    """When a queue is staffed. Made by ``parse_hours``."""

    week: Mapping[str, tuple[Span, ...]]
    """Spans by day (``mon`` … ``sun``); a span that ends at midnight or before its begin ends on the next day."""
    holidays: frozenset[date] = frozenset()
    working: frozenset[date] = field(default=frozenset())
    """Weekend days that are worked. A day in both sets is a working day."""

    def is_open(self, at: datetime) -> bool:
        """Whether the hotline is staffed at ``at`` (aware)."""
        return any(begin <= at < end for begin, end in self._spans_around(at))

    def next_opening(self, at: datetime) -> datetime | None:
        """When it opens next, in Shanghai time: ``at`` itself when open, None when not within a year."""
        if self.is_open(at):
            return at.astimezone(SHANGHAI)
        today = at.astimezone(SHANGHAI).date()
        for days in range(367):
            for begin, _ in self._spans_of(today + timedelta(days=days)):
                if begin > at:
                    return begin
        return None

    def _spans_around(self, at: datetime) -> list[tuple[datetime, datetime]]:
        today = at.astimezone(SHANGHAI).date()
        return self._spans_of(today - timedelta(days=1)) + self._spans_of(today)

    def _spans_of(self, day: date) -> list[tuple[datetime, datetime]]:
        if day in self.working:
            spans = self.week.get(WORKDAY_PATTERN, ()) if day.weekday() >= 5 else self.week.get(DAYS[day.weekday()], ())
        else:
            spans = () if day in self.holidays else self.week.get(DAYS[day.weekday()], ())
        return [(datetime.combine(day, begin, SHANGHAI),
                 datetime.combine(day if begin < end else day + timedelta(days=1), end, SHANGHAI))
                for begin, end in spans]


def parse_hours(text: str, *, holidays: frozenset[date] = frozenset(),
                working: frozenset[date] = frozenset()) -> Hours:
    """Read ``mon-fri 9:00-12:00 13:00-18:00; sat 10:00-24:00``. Raises ConfigError saying which part is wrong."""
    week: dict[str, tuple[Span, ...]] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        days, *spans = part.split()
        if not spans:
            raise ConfigError(f"opening hours {part!r}", "hours are missing", "write mon-fri 9:00-18:00")
        for day in _days(days.lower(), part):
            week[day] = tuple(sorted(_span(span, part) for span in spans))
    return Hours(week, holidays, working)


def _days(text: str, part: str) -> tuple[str, ...]:
    first, _, last = text.partition("-")
    if first not in DAYS or (last and last not in DAYS):
        raise ConfigError(f"opening hours {part!r}", f"{text!r} is no day", f"days are {', '.join(DAYS)}")
    begin, end = DAYS.index(first), DAYS.index(last or first)
    return DAYS[begin:end + 1] if begin <= end else DAYS[begin:] + DAYS[:end + 1]


def _span(text: str, part: str) -> Span:
    begin, _, end = text.partition("-")
    return _time(begin, part), MIDNIGHT if end == "24:00" else _time(end, part)


def _time(text: str, part: str) -> time:
    try:
        hour, minute = text.split(":")
        return time(int(hour), int(minute))
    except ValueError:
        raise ConfigError(f"opening hours {part!r}", f"{text!r} is no time of day", "write 9:00") from None
