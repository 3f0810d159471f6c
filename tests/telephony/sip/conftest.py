"""Alice and Bob on a network in memory."""

from __future__ import annotations

import pytest

from tests.telephony.sip.network import Network, Pair


@pytest.fixture
def pair() -> Pair:
    net = Network()
    return Pair(net, net.add("alice"), net.add("bob"))
