"""Recogniser processes die, and calls go on: nothing is left over, and the next utterance is heard."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from asr import EngineSpec, Listening, Partial, RecogniserDown, SpeechStarted, WorkerPool
from asr.worker import waiting_frames
from calls.errors import ModelError
from calls.speech import Heard
from media.pieces import Piece, PieceReader
from tests.asr.sounds import frames, silence, voice

MODULE = "tests.asr.scripted"
SENTENCE = silence(0.3) + voice(1.2) + silence(1.0)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model"
    path.write_text("good")
    return path


@pytest.fixture
async def pool(model: Path) -> AsyncIterator[WorkerPool]:
    pool = WorkerPool(EngineSpec("scripted", model), module=MODULE)
    await pool.start()
    yield pool
    await pool.close()


async def speak(listening: Listening, sound: bytes) -> None:
    """What ``Phone.tapped`` does, only faster than real time."""
    for number, frame in enumerate(frames(sound)):
        while True:
            try:
                os.write(listening.fd, bytes(Piece(160 * number, frame)))
                break
            except BlockingIOError:
                await asyncio.sleep(0.001)


async def hear(listening: Listening) -> Heard:
    async for event in listening:
        if isinstance(event, Heard):
            return event
    raise AssertionError("the listening ended without Heard")


async def until(listening: Listening, kind: type) -> None:
    async for event in listening:
        if isinstance(event, kind):
            return


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def children() -> set[int]:
    path = f"/proc/self/task/{os.getpid()}/children"
    return set(map(int, Path(path).read_text().split()))


async def test_what_is_tapped_into_the_socket_is_heard(pool: WorkerPool) -> None:
    async with pool.listening(phrases=["我要退款"]) as listening:
        await speak(listening, SENTENCE)
        events = [event async for event in listening]
    assert isinstance(events[0], SpeechStarted)
    assert isinstance(events[1], Partial)
    assert isinstance(events[-1], Heard)
    assert events[-1].syllables[:4] == ("wo", "yao", "tui", "kuan")
    assert events[-1].speech_ended is not None


async def test_two_parties_are_listened_to_at_once(pool: WorkerPool) -> None:
    async with pool.listening() as one, pool.listening() as other:
        await asyncio.gather(speak(one, SENTENCE), speak(other, SENTENCE))
        heard = await asyncio.gather(hear(one), hear(other))
    assert [h.text for h in heard] == ["我要退款谢谢"] * 2


async def test_a_worker_killed_mid_utterance_gives_what_was_understood(pool: WorkerPool) -> None:
    async with pool.listening() as listening:
        await speak(listening, silence(0.3) + voice(0.5))
        await until(listening, Partial)
        os.kill(pool.pids[0], signal.SIGKILL)
        events = [event async for event in listening]
    assert isinstance(events[-1], Heard)
    assert events[-1].syllables[:1] == ("wo",)
    assert events[-1].confidence < 0.9


async def test_a_worker_killed_in_silence_raises_recogniser_down(pool: WorkerPool) -> None:
    async with pool.listening() as listening:
        os.kill(pool.pids[0], signal.SIGKILL)
        with pytest.raises(RecogniserDown, match="died"):
            await hear(listening)


async def test_the_next_utterance_finds_a_new_worker(pool: WorkerPool) -> None:
    (before,) = pool.pids
    os.kill(before, signal.SIGKILL)
    while pool.ready:  # noqa: ASYNC110 - another process changes it
        await asyncio.sleep(0.001)
    for _ in range(3):
        try:
            async with pool.listening() as listening:
                await speak(listening, SENTENCE)
                assert (await hear(listening)).syllables
            break
        except RecogniserDown:  # the machine is slow to start a process: the flow asks again
            continue
    assert pool.pids != (before,)


async def test_while_no_worker_runs_the_flow_is_told_at_once_or_soon(model: Path) -> None:
    pool = WorkerPool(EngineSpec("scripted", model), module=MODULE)
    with pytest.raises(RecogniserDown, match="no recogniser"):
        async with pool.listening():
            pass


async def test_nothing_is_left_over(pool: WorkerPool) -> None:
    async with pool.listening() as listening:
        await speak(listening, SENTENCE)
        await hear(listening)
    (worker,) = pool.pids
    before, worker_before = descriptors(), len(os.listdir(f"/proc/{worker}/fd"))
    for _ in range(20):
        async with pool.listening() as listening:
            await speak(listening, silence(0.1))
    async with pool.listening() as listening:
        await speak(listening, SENTENCE)
        await hear(listening)
    assert descriptors() == before
    assert len(os.listdir(f"/proc/{worker}/fd")) <= worker_before


async def test_death_leaves_no_descriptor_and_no_zombie(pool: WorkerPool) -> None:
    before = descriptors()
    for _ in range(2):
        (pid,) = pool.pids
        os.kill(pid, signal.SIGKILL)
        while pool.pids == (pid,) or not pool.ready:  # noqa: ASYNC110 - another process changes it
            await asyncio.sleep(0.01)
        assert pid not in children()
    assert descriptors() == before


async def test_closing_the_pool_ends_the_process(model: Path) -> None:
    before, others = descriptors(), children()
    pool = WorkerPool(EngineSpec("scripted", model), 2, module=MODULE)
    await pool.start()
    assert len(pool.pids) == 2
    await pool.close()
    await pool.close()
    assert children() == others
    assert descriptors() == before


async def test_leaving_while_the_pool_is_closed_is_harmless(pool: WorkerPool) -> None:
    async with pool.listening() as listening:
        await pool.close()
        with pytest.raises(RecogniserDown):
            await hear(listening)


async def test_a_missing_model_is_named(tmp_path: Path) -> None:
    before = descriptors()
    pool = WorkerPool(EngineSpec("scripted", tmp_path / "nowhere"), module=MODULE)
    with pytest.raises(ModelError, match="nowhere: there is no such model"):
        await pool.start()
    assert pool.pids == ()
    assert descriptors() == before


async def test_a_model_that_kills_its_process_is_reported(tmp_path: Path) -> None:
    pool = WorkerPool(EngineSpec("scripted", tmp_path / "dies"), module=MODULE)
    with pytest.raises(ModelError, match="died while it loaded"):
        await pool.start()


def test_what_a_worker_was_too_slow_for_is_silence_and_takes_its_time() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        theirs.setblocking(False)
        for position in (0, 960):
            ours.send(bytes(Piece(position, b"\1" * 640)))
        frames = waiting_frames(PieceReader(theirs))
    assert frames == [b"\1" * 320] * 2 + [bytes(320)] * 4 + [b"\1" * 320] * 2


async def test_a_frozen_worker_does_not_block_the_loop(pool: WorkerPool) -> None:
    (pid,) = pool.pids
    os.kill(pid, signal.SIGSTOP)
    try:
        async with pool.listening() as listening:
            assert await asyncio.to_thread(frames_until_full, listening.fd) > 0
    finally:
        os.kill(pid, signal.SIGCONT)


def frames_until_full(fd: int) -> int:
    """A full socket refuses at once: audio never waits for a recogniser."""
    for count in range(100_000):
        try:
            os.write(fd, bytes(320))
        except BlockingIOError:
            return count
    raise AssertionError("the socket is never full")


async def test_a_worker_leaves_when_its_parent_is_gone(model: Path) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            "-m",
            MODULE,
            "--engine",
            "scripted",
            "--model",
            str(model),
            "--control",
            str(theirs.fileno()),
        ),
        pass_fds=(theirs.fileno(),),
    )
    theirs.close()
    await asyncio.get_running_loop().sock_recv(ours, 1_000)
    ours.close()
    assert await asyncio.wait_for(process.wait(), 10) == 0
