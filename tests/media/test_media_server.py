"""The engine on an asyncio loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from media.engine import MediaConfig, MediaEvent, Node, PlayFinished
from media.server import MediaServer
from tests.media.wire import ENGINES, PATIENCE


@pytest.fixture(params=ENGINES)
async def media(request: pytest.FixtureRequest) -> AsyncIterator[MediaServer]:
    server = MediaServer(ENGINES[request.param](MediaConfig(port_low=24_000, port_high=24_999)))
    server.start()
    yield server
    server.close()


async def stopped(media: MediaServer, *players: Node) -> None:
    """Stop them, and wait until the last one's event has been handed out."""
    done = asyncio.get_running_loop().create_future()
    last = media.engine.open_player()
    media.watch(last, done.set_result)
    for player in (*players, last):
        media.engine.stop(player)
    await asyncio.wait_for(done, PATIENCE)


async def test_events_go_to_whoever_watches_the_node(media: MediaServer) -> None:
    heard: list[MediaEvent] = []
    watched, unwatched, never = (media.engine.open_player() for _ in range(3))
    media.watch(watched, heard.append)
    media.watch(unwatched, heard.append)
    media.unwatch(unwatched)
    media.unwatch(never)
    await stopped(media, watched, unwatched, never)
    assert heard == [PlayFinished(watched, 0)]


async def test_a_watcher_that_fails_harms_nobody_else(media: MediaServer, caplog: pytest.LogCaptureFixture) -> None:
    def fail(event: MediaEvent) -> None:
        raise RuntimeError("a bug")

    bad = media.engine.open_player()
    media.watch(bad, fail)
    await stopped(media, bad)
    assert "failed on PlayFinished" in caplog.text


async def test_a_closed_recorder_tells_when_its_file_is_whole(media: MediaServer, tmp_path: Path) -> None:
    recorder = media.engine.open_recorder(str(tmp_path / "call.wav"))
    await asyncio.sleep(0.05)
    told: list[MediaEvent] = []
    media.watch(recorder.left, told.append)
    closed = await asyncio.wait_for(media.close_recorder(recorder.left), PATIENCE)
    assert told == [closed]
    assert closed.frames >= 400
    assert closed.missing_ms == 0
    assert (tmp_path / "call.wav").stat().st_size == 44 + 4 * closed.frames
    with pytest.raises(KeyError):
        media.close_recorder(recorder.left)


async def test_closing_hands_out_the_last_events(tmp_path: Path) -> None:
    for name, make in ENGINES.items():
        server = MediaServer(make(MediaConfig()))
        server.start()
        recorder = server.engine.open_recorder(str(tmp_path / f"{name}.wav"))
        written = server.close_recorder(recorder.left)
        server.close()
        server.close()
        assert (await asyncio.wait_for(written, PATIENCE)).missing_ms == 0


async def test_a_thread_without_priority_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        server = MediaServer(ENGINES["native"](MediaConfig(realtime=False)))
        server.start()
        server.close()
    [record] = [record for record in caplog.records if record.name == "media.server"]
    assert record.levelno == logging.WARNING
    assert "'normal'" in record.message
