"""What a self-service is: it looks something up for a caller and fills the values of one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from calls import Caller
from calls.errors import HotlineError


class ServiceFailed(HotlineError):
    """The service could not answer, or not in time; the flow goes on at the step's ``failed``."""

    def __init__(self, service: str, problem: str) -> None:
        self.service, self.problem = service, problem
        super().__init__(f"{service}: {problem}")


@dataclass(frozen=True, slots=True)
class Served:
    """The answer. ``found`` is False when there is nothing to tell (no account, no order); ``values`` is then empty."""

    found: bool
    values: Mapping[str, str] = field(default_factory=dict)
    """Written text (``已经签收``, ``11月20日``), empty where not known. The voice decides how it is read aloud."""


class Service(Protocol):
    """One entry of the catalogue."""

    @property
    def name(self) -> str:
        """What a dialplan calls it."""

    @property
    def fills(self) -> tuple[str, ...]:
        """The values that its sentence may use."""

    async def serve(self, caller: Caller, slots: Mapping[str, str]) -> Served:
        """Answer for ``caller``; ``slots`` hold what the caller said besides the intent. Raises ServiceFailed."""
