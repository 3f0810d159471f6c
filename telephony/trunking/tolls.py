"""What calls out of the house may cost: allowed prefixes, and caps for each agent (the defence against toll fraud)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from calls.errors import ConfigError
from telephony.trunking.rewriting import Rule, rewrite


@dataclass(frozen=True, slots=True)
class Tariff:
    """One row of the table of prefixes."""

    allowed: bool = True
    per_minute: float = 0.0
    """Price of every minute begun, in whatever currency the caps are in."""

    def __post_init__(self) -> None:
        if not 0 <= self.per_minute < math.inf:
            raise ConfigError("[outside] per_minute", f"{self.per_minute} is no price", "give 0 or more")


@dataclass(frozen=True, slots=True)
class TollRules:
    """Which numbers may be dialled, and how much. Numbers are those that ``dialled`` makes: best E.164."""

    prefixes: dict[str, Tariff] = field(default_factory=dict)
    """The longest prefix that a number begins with decides; a number without one is refused."""
    dialled: tuple[Rule, ...] = ()
    """From what people dial here (013800138000) to E.164 (+8613800138000)."""
    calls: int = 0
    """Calls at once, of the whole house; 0: no limit."""
    calls_each: int = 2
    """Calls at once on behalf of one agent; 0: no limit."""
    calls_a_day: int = 200
    """Of one agent; 0: no limit."""
    spend_a_day: float = 0.0
    """Of one agent; 0: no limit."""

    def __post_init__(self) -> None:
        for name in ("calls", "calls_each", "calls_a_day", "spend_a_day"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"[outside] {name}", f"{getattr(self, name)} is not possible", "give 0 or more")

    def tariff(self, number: str) -> Tariff | None:
        """The row of the longest prefix, or None."""
        lengths = range(len(number), -1, -1)
        return next((row for end in lengths if (row := self.prefixes.get(number[:end])) is not None), None)


class Refused(Exception):
    """``why`` names the limit, for people who read the log: no number stands in it."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


@dataclass(slots=True)
class Usage:
    """What one agent has used of the day."""

    calls: int = 0
    spend: float = 0.0
    running: int = 0


@dataclass(frozen=True, slots=True)
class Permit:
    """One call that may be made; hand it back to ``Tolls.ended``."""

    by: str
    number: str = field(repr=False)
    """As ``TollRules.dialled`` writes it."""
    tariff: Tariff
    seconds: float
    """So long may it talk before the day's money is spent; infinite where no cap is set."""


class Tolls:
    """Holds the day's counts. Agents are names; "" is the house itself (a dialplan's calls), with caps of its own."""

    def __init__(self, rules: TollRules) -> None:
        self.rules = rules
        self._day = date.min
        self._used: dict[str, Usage] = {}

    def begin(self, by: str, number: str, today: date) -> Permit:
        """Let a call begin. Raises Refused."""
        number = rewrite(number, self.rules.dialled)
        tariff = self.rules.tariff(number)
        if tariff is None or not tariff.allowed:
            raise Refused("numbers with this prefix are not allowed")
        used, rules = self._of(by, today), self.rules
        if rules.calls and self.running() >= rules.calls:
            raise Refused(f"{rules.calls} calls out of the house are running")
        if rules.calls_each and used.running >= rules.calls_each:
            raise Refused(f"{rules.calls_each} calls of this agent are running")
        if rules.calls_a_day and used.calls >= rules.calls_a_day:
            raise Refused(f"{rules.calls_a_day} calls of this agent were made today")
        seconds = self._affordable(used, tariff)
        if seconds <= 0:
            raise Refused("the agent's money for today is spent")
        used.calls += 1
        used.running += 1
        return Permit(by, number, tariff, seconds)

    def ended(self, permit: Permit, talked: float, today: date) -> float:
        """Book a call that talked for so many seconds (0: it was not answered); returns its price."""
        used = self._of(permit.by, today)
        used.running = max(used.running - 1, 0)
        price = math.ceil(talked / 60) * permit.tariff.per_minute
        used.spend += price
        return price

    def restore(self, used: Mapping[str, Usage], today: date) -> None:
        """Add what was used today before this process began."""
        for by, before in used.items():
            usage = self._of(by, today)
            usage.calls += before.calls
            usage.spend += before.spend

    def running(self) -> int:
        """Calls out of the house at this moment."""
        return sum(used.running for used in self._used.values())

    def _affordable(self, used: Usage, tariff: Tariff) -> float:
        if not self.rules.spend_a_day or not tariff.per_minute:
            return math.inf
        return math.floor((self.rules.spend_a_day - used.spend) / tariff.per_minute + 1e-9) * 60.0

    def _of(self, by: str, today: date) -> Usage:
        if today != self._day:  # what runs over midnight goes on counting as running
            self._day = today
            self._used = {name: Usage(running=used.running) for name, used in self._used.items() if used.running}
        return self._used.setdefault(by, Usage())
