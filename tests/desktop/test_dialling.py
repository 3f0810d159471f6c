"""Click-to-dial over the API: what is asked is passed on, and what cannot be done says what would be right."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestClient, TestServer

from desktop import make_app
from desktop.supervision import Refused
from tests.desktop.conftest import TOKEN, Client, Office


class Diallers:
    def __init__(self) -> None:
        self.dialled: list[tuple[str, str]] = []

    def dial(self, agent: str, to: str) -> str:
        if agent != "1001":
            raise Refused(409, f"the telephone of agent {agent} is not registered")
        self.dialled.append((agent, to))
        return "the-call"


@pytest.fixture
def diallers() -> Diallers:
    return Diallers()


@pytest.fixture
async def desk(office: Office, diallers: Diallers) -> AsyncIterator[Client]:
    app = make_app(office.board, token=TOKEN, archive=office.archive, diallers=diallers)
    async with TestClient(TestServer(app), headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        yield client


async def test_a_call_is_begun_and_named(desk: Client, diallers: Diallers) -> None:
    answer = await desk.post("/api/agents/1001/calls", json={"to": " 13900000000 "})
    assert (answer.status, await answer.json()) == (202, {"id": "the-call"})
    assert diallers.dialled == [("1001", "13900000000")]


@pytest.mark.parametrize(("agent", "body", "status"), [
    ("1001", {}, 400), ("1001", {"to": 10086}, 400), ("1001", {"to": " "}, 400), ("1001", {"to": "1" * 65}, 400),
    ("1001", ["10086"], 400), ("1002", {"to": "10086"}, 409),
])
async def test_what_cannot_be_done_is_said(
    desk: Client, diallers: Diallers, agent: str, body: object, status: int
) -> None:
    answer = await desk.post(f"/api/agents/{agent}/calls", json=body)
    assert (answer.status, bool((await answer.json())["problem"])) == (status, True)
    assert not diallers.dialled


async def test_a_stranger_dials_nobody(stranger: Client) -> None:
    assert (await stranger.post("/api/agents/1001/calls", json={"to": "10086"})).status == 401
