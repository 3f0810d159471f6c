"""The list of calls as a table in text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

from insight.cells import cells, pad, plain
from insight.store import CallRow

_HEAD = ("call", "began", "caller", "called", "seconds", "intents", "queue", "agent", "ended by")


def listing(rows: Sequence[CallRow], zone: tzinfo | None = None) -> str:
    """A line for each call, under a head line. Times are in ``zone``, or in the machine's."""
    table = [_HEAD, *(_cells(row, zone) for row in rows)]
    widths = [max(cells(line[column]) for line in table) for column in range(len(_HEAD))]
    return "\n".join("  ".join(map(pad, line, widths)).rstrip() for line in table)


def _cells(row: CallRow, zone: tzinfo | None) -> tuple[str, ...]:
    insight = row.insight
    texts = (
        row.id,
        f"{row.began.astimezone(zone):%m-%d %H:%M:%S}",
        row.caller or "withheld",
        row.called,
        f"{insight.seconds:.1f}",
        " ".join(insight.intents),
        insight.queue,
        insight.agent,
        insight.ended_by or ("running" if row.answered else "ringing"),
    )
    return tuple(map(plain, texts))
