"""Both implementations of everything, so that one test class runs against each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from media.engine import MediaConfig, MediaEngine
from tests.media.room import SWITCHES, Room
from tests.media.wire import ENGINES


@pytest.fixture(params=SWITCHES)
def room(request: pytest.FixtureRequest) -> Room:
    return Room(SWITCHES[request.param])


@pytest.fixture(params=[("native", 1), ("native", 2), ("reference", 1)], ids=lambda made: f"{made[0]}-{made[1]}")
def engine(request: pytest.FixtureRequest) -> Iterator[MediaEngine]:
    name, threads = request.param
    made = ENGINES[name](MediaConfig(port_low=21_000, port_high=21_999, threads=threads, silence_after=1.0))
    made.start()
    yield made
    made.close()
