"""Both engines on loopback: files."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from resource import RLIMIT_FSIZE, getrlimit, setrlimit

import numpy as np
import pytest

from media.engine import (
    MediaConfig,
    MediaEngine,
    PlayFinished,
    RecorderClosed,
    RecorderResumed,
    RecorderTrouble,
)
from tests.media.wire import ENGINES, PCM, Ears, Softphone, recorded, until


@contextmanager
def full_disk() -> Iterator[None]:
    """While inside, no file of this process grows beyond half a second of a recording: what a full disk is to
    everybody's writes."""
    limits = getrlimit(RLIMIT_FSIZE)
    setrlimit(RLIMIT_FSIZE, (16_000, limits[1]))
    try:
        yield
    finally:
        setrlimit(RLIMIT_FSIZE, limits)


def sounds_at_its_end(path: Path) -> bool:
    return bool(recorded(path)[-1, 1])


class TestRecordings:
    """Files."""

    def test_both_sides_are_on_disk_when_it_is_closed(self, engine: MediaEngine, tmp_path: Path) -> None:
        caller = Softphone(engine)
        recorder = engine.open_recorder(str(tmp_path / "call.wav"))
        prompt = engine.open_player()
        engine.set_gain(recorder.left, caller.node, 1.0)
        for listener in (caller.node, recorder.right):
            engine.set_gain(listener, prompt, 1.0)
        engine.play(prompt, PCM)
        engine.finish(prompt)
        for _ in range(5):
            caller.hear()
            caller.say(b"\x2a" * 160)
        ears = Ears(engine)
        ears.wait_for(PlayFinished, prompt)
        until(lambda: engine.stats(caller.node).packets_in == 5)
        engine.close_node(recorder.right)
        closed = ears.wait_for(RecorderClosed, recorder.left)
        file = recorded(tmp_path / "call.wav")
        assert isinstance(closed, RecorderClosed)
        assert closed.frames == len(file)
        assert np.count_nonzero(file[:, 1]) == 800
        assert 700 <= np.count_nonzero(file[:, 0]) <= 800  # a packet that was late by scheduling overlaps the next
        first = np.flatnonzero(file.any(axis=0))
        assert first.tolist() == [0, 1]

    def test_it_is_a_sound_file_from_the_first_moment(self, engine: MediaEngine, tmp_path: Path) -> None:
        engine.open_recorder(str(tmp_path / "call.wav"))
        assert len(recorded(tmp_path / "call.wav")) == 0
        until(lambda: len(recorded(tmp_path / "call.wav")) > 800)
        assert (tmp_path / "call.wav").stat().st_size >= 44 + 4 * 800

    def test_a_folder_that_is_missing(self, engine: MediaEngine, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match="nowhere"):
            engine.open_recorder(str(tmp_path / "nowhere" / "call.wav"))
        assert engine.open_nodes() == 0

    def test_a_full_disk_troubles_the_recording_and_nothing_else(self, engine: MediaEngine, tmp_path: Path) -> None:
        caller, agent = Softphone(engine), Softphone(engine)
        engine.set_gain(agent.node, caller.node, 1.0)
        path, ears = tmp_path / "call.wav", Ears(engine)
        recorder = engine.open_recorder(str(path))
        with full_disk():
            trouble = ears.wait_for(RecorderTrouble, recorder.left)
            caller.say(b"\xd5" * 160)
            assert agent.hear().payload == b"\xd5" * 160
        assert trouble == RecorderTrouble(recorder.left, "File too large")
        assert ears.wait_for(RecorderResumed, recorder.left) == RecorderResumed(recorder.left, 0)
        until(lambda: len(recorded(path)) > 8_000)
        engine.close_node(recorder.left)
        closed = ears.wait_for(RecorderClosed, recorder.left)
        assert closed == RecorderClosed(recorder.left, len(recorded(path)), 0)
        assert not any(isinstance(event, RecorderTrouble | RecorderResumed) for event in ears.events)

    def test_what_cannot_be_written_at_the_end_is_told(self, engine: MediaEngine, tmp_path: Path) -> None:
        path, ears = tmp_path / "call.wav", Ears(engine)
        began = time.monotonic()
        recorder = engine.open_recorder(str(path))
        with full_disk():
            ears.wait_for(RecorderTrouble, recorder.left)
            engine.close_node(recorder.left)
            closed = ears.wait_for(RecorderClosed, recorder.left)
        lasted = 1000 * (time.monotonic() - began)
        assert isinstance(closed, RecorderClosed)
        assert closed.frames == len(recorded(path)) < 4000
        assert lasted - 100 < closed.frames / 8 + closed.missing_ms < lasted + 1
        assert not ears.events

    def test_what_finds_no_room_is_counted(self, tmp_path: Path) -> None:
        """All engines at once: a disk is full for whoever writes to it. It must be so for more than four seconds."""
        with ExitStack() as stack:
            engines = {name: stack.enter_context(closing(make(MediaConfig()))) for name, make in ENGINES.items()}
            ears = {name: Ears(engine) for name, engine in engines.items()}
            recorders = {name: engine.open_recorder(str(tmp_path / name)) for name, engine in engines.items()}
            for name, engine in engines.items():
                engine.start()
                player = engine.open_player()
                engine.set_gain(recorders[name].right, player, 1.0)
                engine.play(player, b"\x10\x10" * 8000, loop=True)
            with full_disk():
                for name, recorder in recorders.items():
                    ears[name].wait_for(RecorderTrouble, recorder.left)
                time.sleep(5)
            for name, recorder in recorders.items():
                resumed = ears[name].wait_for(RecorderResumed, recorder.left)
                until(partial(sounds_at_its_end, tmp_path / name))
                engines[name].close_node(recorder.left)
                closed = ears[name].wait_for(RecorderClosed, recorder.left)
                file = recorded(tmp_path / name)
                sounding = np.flatnonzero(file[:, 1])
                silent = sounding[-1] + 1 - sounding[0] - len(sounding)
                assert isinstance(resumed, RecorderResumed)
                assert closed == RecorderClosed(recorder.left, len(file), resumed.missing_ms)
                assert closed.missing_ms == pytest.approx(silent / 8, abs=40), name
                assert closed.missing_ms > 500
                assert not ears[name].events

    @pytest.mark.parametrize("name", ENGINES)
    def test_it_is_readable_after_kill_9(self, name: str, tmp_path: Path) -> None:
        path = tmp_path / "call.wav"
        source = f"""
import time
from media.engine import MediaConfig
from tests.media.wire import ENGINES
engine = ENGINES[{name!r}](MediaConfig(port_low=22_000, port_high=22_999))
engine.start()
recorder = engine.open_recorder({str(path)!r})
player = engine.open_player()
engine.set_gain(recorder.right, player, 1.0)
engine.play(player, b"\\x10\\x10" * 80_000)
print("recording", flush=True)
time.sleep(60)
"""
        process = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE)
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"recording\n"
            until(lambda: len(recorded(path)) > 4_000)
        finally:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        file = recorded(path)
        sounding = np.flatnonzero(file[:, 1])
        assert set(file[sounding, 1]) == {0x1010}
        assert sounding[-1] - sounding[0] + 1 == len(sounding) > 3_000
        assert not file[:, 0].any()
