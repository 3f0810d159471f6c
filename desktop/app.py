"""The web application: health, metrics, a small API, and the supervisor's wallboard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import WSCloseCode, web

from calls.errors import ConfigError, DatabaseAway
from desktop.access import add_headers, guard
from desktop.archive import Archive, event_json, row_json
from desktop.board import Board
from desktop.dialling import Diallers, DiallingDesk
from desktop.metrics import CONTENT_TYPE, exposition
from desktop.push import push
from desktop.supervision import SupervisionDesk, Supervisors

STATIC = Path(__file__).with_name("static")
PAGES = {"/": "board.html", "/board.css": "board.css", "/board.js": "board.js"}
CHECK_WITHIN = 1.0
"""Seconds that one part may take to say that it is well."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the server. ``well`` answers or raises within ``CHECK_WITHIN``; calls cannot go on without an
    ``essential`` one."""

    well: Callable[[], Awaitable[bool]]
    essential: bool = True


def make_app(board: Board, *, token: str, archive: Archive, parts: Mapping[str, Part] | None = None,
             gauges: Callable[[], Mapping[str, float]] = dict,
             supervisors: Supervisors | None = None, diallers: Diallers | None = None) -> web.Application:
    """The application. ``token`` opens everything but /health; ``gauges`` are read for /metrics."""
    app = web.Application(middlewares=[guard(token)])
    app.on_response_prepare.append(add_headers)
    desk = Desk(board, archive, parts or {}, gauges)
    app.on_shutdown.append(desk.dismiss)
    app.add_routes([
        web.get("/health", desk.health), web.get("/metrics", desk.metrics), web.get("/api/calls", desk.calls),
        web.get("/api/calls/{id}", desk.call), web.get("/api/queues", desk.queues), web.get("/api/agents", desk.agents),
        web.get("/api/live", desk.live), *(web.get(path, desk.page) for path in PAGES),
    ])
    if supervisors is not None:
        app.add_routes(SupervisionDesk(supervisors).routes())
    if diallers is not None:
        app.add_routes(DiallingDesk(diallers).routes())
    return app


@asynccontextmanager
async def serving(app: web.Application, host: str = "127.0.0.1", port: int = 8080) -> AsyncIterator[int]:
    """While inside, serve; yields the port (0 asks for any free one). Raises ConfigError when it is taken."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise ConfigError("[http] port", f"cannot listen on {host}:{port}: {error.strerror}",
                              "choose another port, or stop what uses it") from error
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


class Desk:
    """The handlers."""

    def __init__(self, board: Board, archive: Archive, parts: Mapping[str, Part],
                 gauges: Callable[[], Mapping[str, float]]) -> None:
        self._board, self._archive, self._parts, self._gauges = board, archive, parts, gauges
        self._sockets: set[web.WebSocketResponse] = set()

    async def health(self, request: web.Request) -> web.Response:
        """200 while calls can be taken, 503 when an essential part is down; the body names every part."""
        answers = await asyncio.gather(*(_is_well(part) for part in self._parts.values()))
        state = dict(zip(self._parts, answers, strict=True))
        able = all(state[name] for name, part in self._parts.items() if part.essential)
        words = {name: "ok" if well else "down" for name, well in state.items()}
        return web.json_response({"status": "ok" if able else "down", "parts": words}, status=200 if able else 503)

    async def metrics(self, request: web.Request) -> web.Response:
        body = exposition(self._board.snapshot(), self._gauges())
        return web.Response(body=body.encode(), headers={"Content-Type": CONTENT_TYPE})

    async def calls(self, request: web.Request) -> web.Response:
        """``live`` calls, and the ``latest`` ones (``?limit=``, 1 to 200): null while the database is away."""
        try:
            latest = [row_json(row) for row in await self._archive.latest(_limit(request))]
        except DatabaseAway:
            latest = None
        return web.json_response({"live": self._board.snapshot()["calls"], "latest": latest})

    async def call(self, request: web.Request) -> web.Response:
        """The events of one call in order."""
        call_id = request.match_info["id"]
        try:
            events = await self._archive.story(call_id)
        except DatabaseAway as error:
            return web.json_response({"problem": str(error)}, status=503)
        if not events:
            return web.json_response({"problem": f"there is no call {call_id}"}, status=404)
        return web.json_response({"id": call_id, "events": [event_json(event) for event in events]})

    async def queues(self, request: web.Request) -> web.Response:
        return web.json_response(self._board.snapshot()["queues"])

    async def agents(self, request: web.Request) -> web.Response:
        return web.json_response(self._board.snapshot()["agents"])

    async def live(self, request: web.Request) -> web.WebSocketResponse:
        return await push(self._board, request, self._sockets)

    async def dismiss(self, app: web.Application) -> None:
        """Send the watchers away, so that stopping does not wait for them."""
        for socket in tuple(self._sockets):
            await socket.close(code=WSCloseCode.GOING_AWAY, message=b"the server stops")

    async def page(self, request: web.Request) -> web.FileResponse:
        return web.FileResponse(STATIC / PAGES[request.path])


async def _is_well(part: Part) -> bool:
    try:
        return await asyncio.wait_for(part.well(), CHECK_WITHIN)
    except Exception:  # noqa: BLE001  # whatever a part fails with, it is not well, and the others are still asked
        return False


def _limit(request: web.Request) -> int:
    text = request.query.get("limit", "20")
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 200:
        raise web.HTTPBadRequest(text=f"limit={text!r} is not possible: give a whole number from 1 to 200\n")
    return int(text)
