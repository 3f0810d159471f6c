"""Who is calling: what the number told us. A number identifies; it never authenticates."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from calls.numbers import PhoneNumber


class Identity(StrEnum):
    """How many accounts the number is bound to, or why that is not known."""

    ONE = "one"
    SEVERAL = "several"
    NONE = "none"
    WITHHELD = "withheld"
    UNKNOWN = "unknown"
    """The look-up failed or took too long; the call goes on without it."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller as identified from the number. Fields other than ``identity`` are set only for ``ONE``."""

    identity: Identity
    number: PhoneNumber | None = None
    customer_id: int | None = None
    name: str = ""
    surname: str = ""
    title: str = ""
    """How the person is addressed: 先生, 女士, or empty."""
    tier: str = ""

    @property
    def address(self) -> str:
        """Surname and title (``王先生``), or empty where either is unknown."""
        return self.surname + self.title if self.surname and self.title else ""
