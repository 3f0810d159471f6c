"""When no further call is taken: refusing at once costs little, taking what cannot be served costs every call.

A server that answers late is called again by all who wait (SIP repeats after 0.5 s): beyond its capacity it ends up
doing nothing but that. So the queue in front of it, the datagrams that nobody has read yet, is kept short: while it has
not been empty for ``behind`` seconds, new calls get 503 and only calls that run are served.
"""

from __future__ import annotations

from dataclasses import dataclass

from calls.errors import ConfigError


@dataclass(frozen=True, slots=True)
class LoadLimits:
    """How much the server takes. Each 0 means: no limit."""

    calls: int = 0
    """Calls at once, of the whole server."""
    calls_per_second: float = 0.0
    """New calls; a second's worth may come at once."""
    behind: float = 0.1
    """Seconds for which messages may wait without a pause before new calls are refused."""
    retry_after: int = 5
    """Seconds that those who are refused are asked to wait (Retry-After); each is told between once and twice that, or
    they would all come back together."""

    def __post_init__(self) -> None:
        if self.calls < 0:
            raise ConfigError("[limits] calls", f"{self.calls} is not possible", "give 1 or more, or 0: no limit")
        if not 0 <= self.calls_per_second <= 100_000:
            raise ConfigError("[limits] calls_per_second", f"{self.calls_per_second:g} is not possible",
                              "give up to 100000, or 0: no limit")
        if not 0 <= self.behind <= 10:
            raise ConfigError("[limits] behind", f"{self.behind:g} is not possible",
                              "give up to 10 seconds, or 0: no limit")
        if not 1 <= self.retry_after <= 3600:
            raise ConfigError("[limits] retry_after", f"{self.retry_after} is not possible", "give 1 to 3600 seconds")


class Overload:
    """Decides on each new call. Times are monotonic seconds."""

    def __init__(self, limits: LoadLimits) -> None:
        self.limits = limits
        self.refused = 0
        self._busy_since: dict[int, float] = {}
        """Since when each socket that has more to read has not been empty."""
        self._tokens = self._at = 0.0

    def read(self, socket: int, all_of_it: bool, now: float) -> None:
        """A socket, named by its number, was read: to its end, or only as much as one turn allows."""
        if all_of_it:
            self._busy_since.pop(socket, None)
        else:
            self._busy_since.setdefault(socket, now)

    def refuses(self, running: int, now: float) -> int:
        """Seconds for Retry-After where a new call beside so many that run is one too many; 0 takes it."""
        if self._full(running) or self._behind(now) or not self._token(now):
            self.refused += 1
            spread = self.refused * 7 % (self.limits.retry_after + 1)  # even, and no need for chance
            return self.limits.retry_after + spread
        return 0

    def _full(self, running: int) -> bool:
        return 0 < self.limits.calls <= running

    def _behind(self, now: float) -> bool:
        patience = self.limits.behind
        return patience > 0 and any(now - since >= patience for since in self._busy_since.values())

    def _token(self, now: float) -> bool:
        """A bucket that holds one second's worth of calls."""
        rate = self.limits.calls_per_second
        if not rate:
            return True
        self._tokens = min(self._tokens + (now - self._at) * rate, max(rate, 1.0))
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
