"""What systemd is told (sd_notify(3)): that we are ready, stopping, and alive. Without systemd nothing happens."""

from __future__ import annotations

import asyncio
import os
import socket


def notify(state: str) -> bool:
    """Send one state line such as ``READY=1``; False where nobody listens."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
        out.connect("\0" + path[1:] if path.startswith("@") else path)
        out.send(state.encode())
    return True


async def keep_alive() -> None:
    """Say ``WATCHDOG=1`` twice per watchdog period, for as long as the event loop turns."""
    period = int(os.environ.get("WATCHDOG_USEC", "0")) / 1e6
    if not period:
        return
    while True:
        notify("WATCHDOG=1")
        await asyncio.sleep(period / 2)
