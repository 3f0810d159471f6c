"""Scanners that somebody else wrote, each a program of its own: SIPVicious and sipsak."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Sequence

LONGEST = 30


async def sipvicious(tool: str, server: tuple[str, int], *options: str, ip: str) -> str:
    """Run ``svmap``, ``svwar`` or ``svcrack`` from ``ip``; everything that it said."""
    code = f"import sys; from sipvicious.{tool} import main; sys.argv[0] = '{tool}'; main()"
    where = ["-b", ip, "-x", ip, "-p", str(server[1])]
    return await _run([sys.executable, "-c", code, *where, *options, server[0]])


async def sipsak(server: tuple[str, int], *options: str, user: str, ip: str) -> str:
    """Run sipsak from ``ip``; everything that it said."""
    return await _run(["sipsak", "--local-ip", ip, *options, "-s", f"sip:{user}@{server[0]}:{server[1]}"])


async def _run(command: Sequence[str]) -> str:
    with tempfile.TemporaryDirectory(prefix="scanner-") as home:  # SIPVicious keeps its sessions there
        process = await asyncio.create_subprocess_exec(
            "timeout", str(LONGEST), *command, cwd=home, env=os.environ | {"HOME": home},
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
    return said.decode(errors="replace")
