"""Both engines on loopback: nothing is left over, neither ports nor descriptors nor threads."""

from __future__ import annotations

import errno
import gc
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from media.engine import (
    MediaConfig,
    MediaEngine,
    RecorderClosed,
)
from media.native import NativeEngine
from tests.media.wire import ENGINES, PCM, Softphone, descriptors, recorded, threads, until
from tests.partners.process import free_ports


class TestNothingIsLeftOver:
    """Ports, descriptors, threads."""

    def test_two_thousand_calls(self, engine: MediaEngine) -> None:
        cycles = 2_000 if isinstance(engine, NativeEngine) else 200
        before = descriptors()
        for number in range(cycles):
            legs = [engine.open_leg("127.0.0.1") for _ in range(2)]
            player = engine.open_player()
            engine.set_gain(legs[0].node, legs[1].node, 1.0)
            engine.set_gain(legs[1].node, player, 1.0)
            engine.play(player, PCM, loop=number % 2 == 0)
            for node in (legs[0].node, player, legs[1].node):
                engine.close_node(node)
        assert engine.open_nodes() == 0
        until(lambda: descriptors() == before)

    def test_the_port_range_can_be_used_up_and_used_again(self) -> None:
        for make in ENGINES.values():
            low = free_ports(12)
            engine = make(MediaConfig(port_low=low + 1, port_high=low + 11))
            engine.start()
            legs = [engine.open_leg("127.0.0.1") for _ in range(5)]
            assert sorted(leg.port for leg in legs) == [*range(low + 2, low + 11, 2)]
            with pytest.raises(OSError, match="used up") as caught:
                engine.open_leg("127.0.0.1")
            assert caught.value.errno == errno.EADDRINUSE
            engine.close_node(legs[2].node)
            until(lambda engine=engine: can_open(engine))  # type: ignore[misc]
            engine.close()

    def test_nobody_can_tell_which_port_comes_next(self, engine: MediaEngine) -> None:
        """Even, with the odd one above for RTCP (RFC 3550 section 11); at random, so that nobody sends to it ahead."""
        ports = [engine.open_leg("127.0.0.1").port for _ in range(20)]
        assert {port % 2 for port in ports} == {0}
        assert len({later - port for port, later in pairwise(ports)}) > 10

    def test_ports_are_no_generators_sequence(self) -> None:
        """Every state that a Lehmer generator may have by the first port is stepped on: none tells the next three.
        What a generator with more state gives would take longer to compute, and is no secret either."""
        engine = NativeEngine(MediaConfig(port_low=10_000, port_high=65_535))
        first, *later = [(engine.open_leg("127.0.0.1").port - 10_000) // 2 for _ in range(4)]
        engine.close()
        states = np.arange(first, 2**31 - 1, pairs := 27_768, dtype=np.uint64)
        for seen in later:
            states = states * np.uint64(48_271) % np.uint64(2**31 - 1)
            states = states[states % np.uint64(pairs) == seen]
        assert states.size == 0

    def test_an_address_that_is_not_ours(self, engine: MediaEngine) -> None:
        with pytest.raises(OSError):
            engine.open_leg("192.0.2.1")

    def test_close_in_the_middle_of_everything(self, tmp_path: Path) -> None:
        gc.collect()
        before = descriptors(), threads()
        for name, make in ENGINES.items():
            engine = make(MediaConfig(port_low=23_000, port_high=23_999))
            engine.start()
            phones = [Softphone(engine) for _ in range(4)]
            player = engine.open_player()
            recorder = engine.open_recorder(str(tmp_path / f"{name}.wav"))
            for phone in phones:
                engine.set_gain(phone.node, player, 1.0)
                engine.set_gain(recorder.left, phone.node, 1.0)
            engine.play(player, PCM, loop=True)
            phones[0].hear()
            engine.close()
            engine.close()
            assert engine.open_nodes() == 0
            assert any(isinstance(event, RecorderClosed) for event in engine.drain())
            assert len(recorded(tmp_path / f"{name}.wav")) > 0
            with pytest.raises(RuntimeError, match="closed"):
                engine.open_leg("127.0.0.1")
            for phone in phones:
                phone.socket.close()
        until(lambda: (descriptors(), threads()) == before)  # the kernel clears away an ended thread in its own time

    def test_an_engine_that_was_never_started(self) -> None:
        before = descriptors()
        for make in ENGINES.values():
            engine = make(MediaConfig())
            engine.open_leg("127.0.0.1")
            engine.close()
        assert descriptors() == before


def can_open(engine: MediaEngine) -> bool:
    try:
        engine.open_leg("127.0.0.1")
    except OSError:
        return False
    return True
