"""One thing that happened to a call or an agent: a row of the log, from which all state can be rebuilt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Event:
    """``kind`` is a dotted name such as ``call.answered``; ``at`` is aware UTC.

    ``details`` holds JSON values only. Numbers in it are masked unless the reader of the log needs the digits,
    in which case the key is ``number`` and access to the table is what protects it.
    """

    kind: str
    at: datetime
    call_id: str | None = None
    agent: str | None = None
    details: Mapping[str, object] = field(default_factory=dict)
