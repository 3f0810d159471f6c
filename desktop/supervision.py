"""Supervisors take part in calls: what the API asks for, and how it is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from calls.errors import HotlineError
from telephony.supervision import Mode

MODES = {mode.value: mode for mode in (Mode.MONITOR, Mode.COACH, Mode.BARGE, Mode.TAKE_OVER)}


@dataclass
class Refused(HotlineError):
    """It cannot be done. ``status`` is that of HTTP, ``problem`` says why and what would be right."""

    status: int
    problem: str

    def __str__(self) -> str:
        return self.problem


class Supervisors(Protocol):
    """Who brings supervisors' telephones into calls."""

    def supervise(self, call_id: str, phone: str, mode: Mode) -> None:
        """Ring ``phone``, and join it to the talk when it is answered; where it takes part already, change how.
        Raises Refused."""

    def leave(self, call_id: str) -> None:
        """End the supervisor's part. Raises Refused."""


class SupervisionDesk:
    """The handlers of ``/api/calls/{id}/supervision``."""

    def __init__(self, supervisors: Supervisors) -> None:
        self._supervisors = supervisors

    def routes(self) -> list[web.AbstractRouteDef]:
        path = "/api/calls/{id}/supervision"
        return [web.put(path, self.put), web.delete(path, self.delete)]

    async def put(self, request: web.Request) -> web.Response:
        """``{"phone": "1900", "mode": "monitor"}``: 202, and the events of the call tell what comes of it."""
        wish = await read_json(request)
        phone, mode = wish.get("phone"), wish.get("mode")
        if not isinstance(phone, str) or not phone:
            return problem(400, 'name the phone that is to ring: "phone": "1900"')
        if not isinstance(mode, str) or mode not in MODES:
            return problem(400, f"{mode!r} is no mode; known are {', '.join(MODES)}")
        try:
            self._supervisors.supervise(request.match_info["id"], phone, MODES[mode])
        except Refused as refused:
            return problem(refused.status, refused.problem)
        return web.json_response({"phone": phone, "mode": mode}, status=202)

    async def delete(self, request: web.Request) -> web.Response:
        try:
            self._supervisors.leave(request.match_info["id"])
        except Refused as refused:
            return problem(refused.status, refused.problem)
        return web.Response(status=204)


def problem(status: int, words: str) -> web.Response:
    """What is wrong, and what would be right."""
    return web.json_response({"problem": words}, status=status)


async def read_json(request: web.Request) -> Mapping[str, object]:
    """The body's object; anything else is as good as an empty one, whose fields are then missed by name."""
    try:
        body = await request.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
