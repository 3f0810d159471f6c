"""The desktop wired to the running parts: what it shows, what /health asks, what /metrics reads."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import AsyncExitStack

from desktop import DatabaseArchive, LiveCalls, Part, RouterBoard, make_app, serving
from server.clicking import ClickToDial
from server.parts import Parts
from server.settings import Http
from server.supervising import Supervision
from server.telemetry import LoopWatch
from telephony.trunking.carriers import faults


async def serve_desktop(http: Http, token: str, parts: Parts, supervision: Supervision, live: LiveCalls,
                        watch: LoopWatch, stack: AsyncExitStack) -> None:
    """Serve until ``stack`` is closed. Raises ConfigError when the port is taken."""

    async def database() -> bool:
        return bool(await parts.database.fetch_value("SELECT 1"))

    async def recogniser() -> bool:
        return parts.recogniser is not None and parts.recogniser.ready

    async def trunks() -> bool:
        return not faults([*parts.telephony.carriers.lines.values()])

    app = make_app(
        RouterBoard(parts.router, live), token=token, archive=DatabaseArchive(parts.database),
        parts={"database": Part(database, essential=False), "recogniser": Part(recogniser, essential=False),
               "trunks": Part(trunks, essential=False)},
        gauges=lambda: gauges(parts, watch), supervisors=supervision,
        diallers=ClickToDial(parts),
    )
    await stack.enter_async_context(serving(app, http.host, http.port))


def gauges(parts: Parts, watch: LoopWatch) -> Mapping[str, float]:
    """Everything that is counted. ``live_…`` are 0 when no call is left over; the rest only grows, or is a level."""
    telephony = parts.telephony
    return {
        **{f"live_{name}": count for name, count in telephony.live().items()},
        **{f"sip_{name}_total": count for name, count in telephony.counters.items()},
        "trunks_down": len(faults([*telephony.carriers.lines.values()])),
        "outside_calls": telephony.tolls.running(),
        "log_waiting": parts.log.waiting,
        "loop_stalls_total": watch.stalls,
        "loop_worst_seconds": watch.worst,
        "tasks": len(asyncio.all_tasks()),
        "open_files": len(os.listdir("/proc/self/fd")),
        "routing_violations": len(parts.router.check()),
    }
