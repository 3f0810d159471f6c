"""Click-to-dial: what the API asks for, and how it is answered."""

from __future__ import annotations

from typing import Protocol

from aiohttp import web

from desktop.supervision import Refused, problem, read_json

LONGEST = 64


class Diallers(Protocol):
    """Who makes calls for agents."""

    def dial(self, agent: str, to: str) -> str:
        """Ring the agent's phone, and when it is answered ``to``: a colleague, a queue or a number, within the agent's
        own limits. Returns the call's id at once. Raises Refused."""


class DiallingDesk:
    """The handler of ``/api/agents/{id}/calls``."""

    def __init__(self, diallers: Diallers) -> None:
        self._diallers = diallers

    def routes(self) -> list[web.AbstractRouteDef]:
        return [web.post("/api/agents/{id}/calls", self.post)]

    async def post(self, request: web.Request) -> web.Response:
        """``{"to": "13900000000"}``: 202 with the call's id; the board's ``clicks`` tell what comes of it."""
        to = (await read_json(request)).get("to")
        if not isinstance(to, str) or not 0 < len(to.strip()) <= LONGEST:
            return problem(400, '请填写要拨打的号码 Say whom to dial: "to": "13900000000"')
        try:
            call_id = self._diallers.dial(request.match_info["id"], to.strip())
        except Refused as refused:
            return problem(refused.status, refused.problem)
        return web.json_response({"id": call_id}, status=202)
