"""The web application over real HTTP."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
from aiohttp import ClientSession, WSMsgType, WSServerHandshakeError

from calls.errors import ConfigError
from desktop import make_app, serving
from tests.partners.browser import INSTALLED, Browser
from tests.partners.process import until

if TYPE_CHECKING:
    from tests.desktop.conftest import Client, Office

TOKEN = "a-token-of-sixteen-or-more"
CALL = "11111111-2222-3333-4444-555555555555"
CLOSED = ["/", "/board.js", "/board.css", "/metrics", "/api/calls", f"/api/calls/{CALL}", "/api/queues", "/api/agents",
          "/api/live", "/api/nothing", f"/api/calls/{CALL}/supervision"]


@pytest.mark.parametrize("path", CLOSED)
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Cookie": "hotline=wrong"},
                                     {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer é"}])
async def test_nothing_but_health_is_open(stranger: Client, path: str, headers: dict[str, str]) -> None:
    response = await stranger.get(path, headers=headers)
    assert response.status == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_token_of_odd_bytes_is_wrong_and_no_error(office: Office) -> None:
    async with serving(office.app, port=0) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \xff\xfe\r\n\r\n")
        assert await reader.readline() == b"HTTP/1.1 401 Unauthorized\r\n"
        writer.close()


async def test_health_says_how_every_part_is(stranger: Client, office: Office) -> None:
    response = await stranger.get("/health")
    assert (response.status, await response.json()) == (
        200, {"status": "ok", "parts": {"sip": "ok", "recogniser": "ok"}})
    office.well["recogniser"] = False
    response = await stranger.get("/health")
    assert (response.status, (await response.json())["parts"]["recogniser"]) == (200, "down")
    office.well["sip"] = False
    response = await stranger.get("/health")
    assert (response.status, (await response.json())["status"]) == (503, "down")


async def test_the_token_becomes_a_cookie_and_leaves_the_address(stranger: Client) -> None:
    response = await stranger.get(f"/?token={TOKEN}", allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (303, "/")
    cookie = response.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    page = await stranger.get("/", headers={"Cookie": cookie.partition(";")[0]})
    assert page.status == 200
    assert "热线看板" in await page.text()
    refused = await stranger.get("/?token=wrong", allow_redirects=False)
    assert (refused.status, "Set-Cookie" in refused.headers) == (401, False)


async def test_another_site_s_page_cannot_watch_with_our_cookie(stranger: Client) -> None:
    cookie = {"Cookie": f"hotline={TOKEN}"}
    with pytest.raises(WSServerHandshakeError) as refused:
        await stranger.ws_connect("/api/live", headers={**cookie, "Origin": "https://elsewhere.example"})
    assert refused.value.status == 401
    own = str(stranger.make_url("/").origin())
    async with stranger.ws_connect("/api/live", headers={**cookie, "Origin": own}) as socket:
        assert set(await socket.receive_json()) == {"now", "calls", "queues", "agents", "clicks"}


async def test_queues_and_agents(supervisor: Client, office: Office) -> None:
    office.router.phone_changed("1001", True)
    [queue] = await (await supervisor.get("/api/queues")).json()
    assert (queue["name"], queue["title"], queue["idle_agents"], queue["service_level"]) == ("refunds", "退款", 1, None)
    agents = await (await supervisor.get("/api/agents")).json()
    assert [(agent["name"], agent["state"]) for agent in agents] == [("李娜", "idle"), ("张伟", "offline")]


async def test_calls_in_progress_and_past(supervisor: Client, office: Office) -> None:
    office.invited("now")
    body = await (await supervisor.get("/api/calls")).json()
    assert [(call["id"], call["stage"]) for call in body["live"]] == [("now", "arriving")]
    [past] = body["latest"]
    assert (past["id"], past["caller"], past["queue"], past["solved"]) == (CALL, "+86138****8000", "refunds", True)
    assert "我要退款" not in json.dumps(body, ensure_ascii=False)


async def test_one_call_is_told_without_readable_numbers(supervisor: Client) -> None:
    response = await supervisor.get(f"/api/calls/{CALL}")
    text = await response.text()
    assert "13800138000" not in text
    assert "13900139000" not in text
    events = json.loads(text)["events"]
    assert [event["kind"] for event in events] == ["call.invited", "caller.identified", "call.dialling"]
    assert events[0]["details"]["called"] == "95188"
    assert events[1]["details"] == {"number": "+86138****8000", "customer": 1}
    assert events[2]["details"]["leg"] == CALL


async def test_what_is_not_there_or_cannot_be_is_said(supervisor: Client, office: Office) -> None:
    unknown = await supervisor.get("/api/calls/nobody")
    assert (unknown.status, await unknown.json()) == (404, {"problem": "there is no call nobody"})
    for limit in ("0", "201", "many", "²"):
        wrong = await supervisor.get("/api/calls", params={"limit": limit})
        assert (wrong.status, "from 1 to 200" in await wrong.text()) == (400, True)
    office.archive.away = True
    assert (await supervisor.get(f"/api/calls/{CALL}")).status == 503
    away = await supervisor.get("/api/calls")
    assert (away.status, (await away.json())["latest"]) == (200, None)


async def test_metrics_are_what_prometheus_reads(supervisor: Client, office: Office) -> None:
    office.router.phone_changed("1001", True)
    response = await supervisor.get("/metrics")
    assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    lines = (await response.text()).splitlines()
    for expected in ("hotline_calls_in_progress 0", 'hotline_queue_idle_agents{queue="refunds"} 1',
                     'hotline_agents{state="idle"} 1', "hotline_loop_stalls 2.0", "hotline_sip_refused_stranger 1.0"):
        assert expected in lines
    assert len([line for line in lines if line.startswith("# TYPE")]) == len({line for line in lines if line[0] == "#"})


async def test_every_change_reaches_who_watches(supervisor: Client, office: Office) -> None:
    async with supervisor.ws_connect("/api/live") as socket:
        first = await socket.receive_json()
        assert (first["calls"], first["agents"][0]["state"]) == ([], "offline")
        office.router.phone_changed("1001", True)
        assert (await socket.receive_json())["agents"][0]["state"] == "idle"
        for n in range(50):
            office.invited(f"call-{n}")
        seen = await socket.receive_json()
        assert len(seen["calls"]) == 50


async def test_a_watcher_who_leaves_is_forgotten_and_stopping_sends_the_others_away(office: Office) -> None:
    entry = {"Authorization": f"Bearer {TOKEN}"}
    async with serving(office.app, port=0) as port, ClientSession(headers=entry) as session:
        address = f"http://127.0.0.1:{port}/api/live"
        async with session.ws_connect(address) as leaving:
            await leaving.receive_json()
            assert office.watchers == 1
        async with session.ws_connect(address) as staying:
            await staying.receive_json()
            assert office.watchers == 1
            stopping = asyncio.create_task(office.app.shutdown())
            assert (await staying.receive()).type is WSMsgType.CLOSE
            await stopping
    assert office.watchers == 0


async def test_a_port_in_use_is_said_with_the_setting(office: Office) -> None:
    other = make_app(office.board, token=TOKEN, archive=office.archive)
    async with serving(office.app, port=0) as port:
        with pytest.raises(ConfigError, match=rf"\[http\] port: cannot listen on 127.0.0.1:{port}"):
            async with serving(other, port=port):
                raise AssertionError("two servers on one port")


async def test_a_token_that_can_be_guessed_is_refused(office: Office) -> None:
    with pytest.raises(ConfigError, match=r"\[http\] token: 6 characters can be guessed"):
        make_app(office.board, token="secret", archive=office.archive)


@pytest.mark.skipif(not INSTALLED, reason="chromium is not installed")
async def test_the_page_shows_the_board_in_a_browser(office: Office) -> None:
    office.router.phone_changed("1001", True)
    office.invited()
    async with serving(office.app, port=0) as port, Browser() as browser:
        await browser.open(f"http://127.0.0.1:{port}/?token={TOKEN}")
        await browser.shows("空闲 Idle", "+86138****8000", "退款")
        office.router.pause("1001")
        await browser.shows("小休")


@pytest.mark.skipif(not INSTALLED, reason="chromium is not installed")
async def test_a_supervisor_takes_part_by_a_click(office: Office) -> None:
    office.invited()
    office.bridged()
    async with serving(office.app, port=0) as port, Browser() as browser:
        await browser.open(f"http://127.0.0.1:{port}/?token={TOKEN}")
        await browser.shows("+86138****8000")
        await seat(browser, "1001")
        await press(browser, "旁听")
        await browser.shows("1001 is no supervisor's telephone")
        await seat(browser, "1900")
        await press(browser, "密语")
        await browser.shows("结束 End (1900)")
        await press(browser, "接管")
        await press(browser, "结束")
        await until(lambda: len(office.seats.wishes) == 3, 20, "the third wish")
    assert [wish for _, wish in office.seats.wishes] == ["coach", "take_over", "leave"]


async def seat(browser: Browser, phone: str) -> None:
    await browser.evaluate(f"""(() => {{ const seat = document.getElementById("seat"); seat.value = "{phone}";
                               seat.dispatchEvent(new Event("input")); }})()""")


async def press(browser: Browser, label: str) -> None:
    """Click the button, once it is there."""
    await browser.shows(label)
    await browser.evaluate(f"""[...document.querySelectorAll(".seats button")]
                               .find((button) => button.textContent.startsWith("{label}")).click()""")


@pytest.mark.parametrize("body", [None, "[]", '{"phone": 1900, "mode": "coach"}', '{"phone": "1900", "mode": []}'])
async def test_a_wish_that_makes_no_sense_is_refused_with_what_would(supervisor: Client, body: str | None) -> None:
    answer = await supervisor.put(f"/api/calls/{CALL}/supervision", data=body)
    assert answer.status == 400
    assert (await answer.json())["problem"]
