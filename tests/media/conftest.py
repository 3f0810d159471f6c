"""Both implementations of everything, so that one test class runs against each."""

from __future__ import annotations

import pytest

from tests.media.room import SWITCHES, Room


@pytest.fixture(params=SWITCHES)
def room(request: pytest.FixtureRequest) -> Room:
    return Room(SWITCHES[request.param])
