"""When no further call is taken: refusing at once costs little, taking what cannot be served costs every call.

A server that answers late is called again by all who wait (SIP repeats after 0.5 s): beyond its capacity it ends up
doing nothing but that. So the queue in front of it, the datagrams that nobody has read yet, is kept short, and it is
measured, not guessed: the kernel writes on each datagram when it came. Once messages were late for ``behind`` seconds
without a pause, whoever calls while they are late gets 503, and only calls that run are served (the idea of CoDel,
RFC 8289: a burst may wait, a queue that stands may not).
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
    """Seconds for which messages may come late without a pause before new calls are refused."""
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


LATE = 0.01
"""Seconds. Messages that waited longer for being read come late: a call has a dozen of them, on both its legs, and
nobody should notice."""
WATCHFUL = 2.0
"""Seconds after the last late message for which no queue is let stand: a load that was too high comes again."""


class Overload:
    """Decides on each new call. Times are monotonic seconds."""

    def __init__(self, limits: LoadLimits) -> None:
        self.limits = limits
        self.refused = 0
        self._late_since: dict[int, tuple[float, float]] = {}
        """Since when each socket, whenever it was read, held messages that were late; and when that was seen last."""
        self._late = False
        """Whether the first message was late when a socket was read last."""
        self._came: float | None = None
        """While a socket is read: since when its first message has waited for us."""
        self._watchful_until = 0.0
        self._tokens = self._at = 0.0

    def reading(self, socket: int, waited: float, now: float) -> None:
        """A socket, named by its number, is about to be read. The first message there has waited for us so long: since
        it came, and no longer than we have been at work since this socket was empty."""
        self._late, self._came = waited > LATE, now - waited
        if not self._late:
            self._late_since.pop(socket, None)
            return
        since, seen = self._late_since.get(socket, (now, now))
        if now - seen > self.limits.behind:  # nobody came meanwhile: no queue has stood so long
            since = now
        self._late_since[socket] = since, now
        if now < self._watchful_until or now - since >= self.limits.behind:
            self._watchful_until = now + WATCHFUL

    def read(self) -> None:
        """The turn of reading is over."""
        self._came = None

    def refuses(self, running: int, now: float) -> int:
        """Seconds for Retry-After where a new call beside so many that run is one too many; 0 takes it."""
        if self._full(running) or self.late(now) or not self._token(now):
            self.refused += 1
            spread = self.refused * 7 % (self.limits.retry_after + 1)  # even, and no need for chance
            return self.limits.retry_after + spread
        return 0

    def late(self, now: float) -> bool:
        """Whether messages wait too long at this moment: nobody new is taken, whoever it is."""
        if not self.limits.behind or now >= self._watchful_until:
            return False
        return self._late or (self._came is not None and now - self._came > LATE)  # work on those before counts too

    def _full(self, running: int) -> bool:
        return 0 < self.limits.calls <= running

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
