"""What is joined in the gains table."""

from __future__ import annotations

from dataclasses import dataclass

from media.reference.levels import Samples


@dataclass(eq=False)
class Node:
    """``frame`` is what a source sounds in the tick at ``framed_at``, None for nothing."""

    id: int
    frame: Samples | None = None
    framed_at: int = 0
