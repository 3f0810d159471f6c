"""The integrity chain: whoever changes, removes or slips in a row or a recording breaks it from there on.

It is no signature: someone who may write the table can compute a whole new chain, or cut links off at its end. Both are
seen by whoever noted the last hash elsewhere before; ``Vault.head`` gives it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from calls import Recording

START = "0" * 64
"""The hash before the first link."""

What = Literal["sealed", "deleted"]


@dataclass(frozen=True, slots=True)
class Link:
    """One row of the chain. ``hash`` is the SHA-256 (hexadecimal) of the row's other fields and the hash before it."""

    number: int
    what: What
    call_id: str
    path: str
    seconds: float
    sha256: str
    at: datetime
    hash: str

    @classmethod
    def after(cls, last: Link | None, what: What, recording: Recording, at: datetime) -> Link:
        """The link that follows ``last``."""
        number, before = (last.number + 1, last.hash) if last else (1, START)
        link = cls(number, what, recording.call_id, recording.path, recording.seconds, recording.sha256, at, "")
        return replace(link, hash=link.expected_hash(before))

    @property
    def recording(self) -> Recording:
        return Recording(self.call_id, self.path, self.seconds, self.sha256)

    def fields(self) -> dict[str, Any]:
        """What the hash covers, in a form that is the same wherever it is computed."""
        return {
            "number": self.number, "what": self.what, "call_id": self.call_id, "path": self.path,
            "seconds": self.seconds, "sha256": self.sha256, "at": self.at.astimezone(UTC).isoformat(),
        }

    def expected_hash(self, before: str) -> str:
        """The hash that this link must have behind a link with the hash ``before``."""
        text = json.dumps([before, self.fields()], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()
