"""The settings of one queue: whom it needs, how long it rings, how long a caller waits."""

from __future__ import annotations

from dataclasses import dataclass

from calls.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Queue:
    """One queue. All durations are seconds. Raises ConfigError, naming the field, when a value cannot be right."""

    name: str
    """What dialplans and events call it, such as ``refunds``."""
    title: str = ""
    """What supervisors read, such as ``退款``; the name when empty."""
    skills: tuple[str, ...] = ()
    """An agent needs all of them; none means that every agent will do."""
    min_proficiency: int = 1
    """The least proficiency (1 to 5) in each of the skills."""
    ring_seconds: float = 20.0
    """How long one agent's phone rings before the next agent's."""
    wrap_up_seconds: float = 15.0
    """Time for notes after a talk, before the next call is offered."""
    max_wait: float = 600.0
    """After this long the caller leaves the queue and the flow goes on at its overflow step."""
    phones: tuple[str, ...] = ()
    """Fixed phones (SIP URIs or phone users): always available, never paused, no wrap-up. Instead of skills."""
    announce_every: float = 30.0
    """The caller hears the position this often; 0 means never."""
    target_seconds: float = 20.0
    """An answer within this time counts for the service level."""

    def __post_init__(self) -> None:
        if not self.name or self.name.strip() != self.name:
            raise ConfigError("[queues] name", f"{self.name!r} is no queue name", "use a short word such as refunds")
        self._require("min_proficiency", 1 <= self.min_proficiency <= 5, "a whole number from 1 to 5")
        self._require("ring_seconds", 1 <= self.ring_seconds <= 300, "seconds from 1 to 300")
        self._require("wrap_up_seconds", 0 <= self.wrap_up_seconds <= 3600, "seconds from 0 to 3600")
        self._require("max_wait", 1 <= self.max_wait <= 86_400, "seconds from 1 to 86400")
        self._require("announce_every", self.announce_every == 0 or 5 <= self.announce_every <= 3600,
                      "0 for never, or seconds from 5 to 3600")
        self._require("target_seconds", 0 < self.target_seconds <= 3600, "seconds above 0, at most 3600")
        self._require("skills", all(self.skills) and not isinstance(self.skills, str), "a list of skill names")
        self._require("phones", all(self.phones) and not isinstance(self.phones, str),
                      "a list of SIP URIs or phone users")
        self._require("phones", len(set(self.phones)) == len(self.phones), "each phone once")
        self._require("phones", not (self.phones and self.skills), "either fixed phones or skills, not both")

    def _require(self, field: str, right: bool, remedy: str) -> None:
        if not right:
            raise ConfigError(f"[queues.{self.name}] {field}", f"{getattr(self, field)!r} is not possible",
                              f"give {remedy}")
