"""Both engines on loopback: files."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from resource import RLIMIT_FSIZE, getrlimit, setrlimit

import numpy as np
import pytest

from media.engine import (
    MediaEngine,
    PlayFinished,
    RecorderClosed,
    RecorderTrouble,
)
from tests.media.wire import ENGINES, PCM, Ears, Softphone, recorded, until


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
        limits = getrlimit(RLIMIT_FSIZE)
        setrlimit(RLIMIT_FSIZE, (4_000, limits[1]))  # what a full disk is to everybody's writes
        try:
            trouble = ears.wait_for(RecorderTrouble, recorder.left)
            caller.say(b"\xd5" * 160)
            assert agent.hear().payload == b"\xd5" * 160
        finally:
            setrlimit(RLIMIT_FSIZE, limits)
        assert isinstance(trouble, RecorderTrouble)
        assert trouble.reason == "File too large"
        until(lambda: len(recorded(path)) > 8_000)
        engine.close_node(recorder.left)
        ears.wait_for(RecorderClosed, recorder.left)
        assert not any(isinstance(event, RecorderTrouble) for event in ears.events)

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
