"""How an unforeseen error is written to the log: where it happened, never what it said.

The text of an exception may quote what a telephone sent, and numbers must not reach a log.
"""

from __future__ import annotations

import traceback
from pathlib import Path

FRAMES = 4


def describe(error: BaseException) -> str:
    """``ValueError at leg.py:120 answer < journey.py:40 run``: the innermost frames first."""
    frames = reversed(traceback.extract_tb(error.__traceback__)[-FRAMES:])
    return f"{type(error).__name__} at " + " < ".join(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in frames)
