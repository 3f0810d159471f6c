"""The board over a WebSocket: the whole of it at once, then again after every change."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from aiohttp import web

from desktop.board import Board

PAUSE = 0.1
"""Seconds between two pushes: changes in between are in the next one, so a slow reader never has a backlog."""


async def push(board: Board, request: web.Request, open_sockets: set[web.WebSocketResponse]) -> web.WebSocketResponse:
    """Serve one watcher until it goes; while it is here, it is among ``open_sockets``."""
    socket = web.WebSocketResponse(heartbeat=20.0, max_msg_size=1024)
    await socket.prepare(request)
    changed = asyncio.Event()
    changed.set()
    end = board.subscribe(changed.set)
    sending = asyncio.create_task(_send(board, socket, changed))
    open_sockets.add(socket)
    try:
        async for _ in socket:
            pass  # a watcher has nothing to say; what ends the loop is its leaving
    finally:
        open_sockets.discard(socket)
        end()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    return socket


async def _send(board: Board, socket: web.WebSocketResponse, changed: asyncio.Event) -> None:
    with suppress(ConnectionError):  # gone; the reader finds out too
        while True:
            await changed.wait()
            changed.clear()
            await socket.send_json(board.snapshot())
            await asyncio.sleep(PAUSE)
