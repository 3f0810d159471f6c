"""A telephone number that cannot leak into a log: its text form is masked by its type."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PhoneNumber:
    """A number in E.164 (``+8613800138000``), or exactly as dialled where it is no public number (``8001``).

    ``str()``, ``repr()`` and f-strings show ``+86138****8000``. Where the digits themselves are needed
    (a SIP header, a database row), ask for ``digits`` by name, so that a reader sees it happen.
    """

    digits: str = field(repr=False)

    def __str__(self) -> str:
        if len(self.digits) < 8:
            return self.digits[:1] + "*" * (len(self.digits) - 1)
        head = len(self.digits) - 8
        return f"{self.digits[:head]}****{self.digits[-4:]}"

    def __repr__(self) -> str:
        return f"PhoneNumber({self})"

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)
