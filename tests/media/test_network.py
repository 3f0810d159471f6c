"""A few cells of the table in docs/media.md, as bounds."""

from __future__ import annotations

import numpy as np
import pytest

from bench.emulation import Heard, Network, listen
from tests.partners.speech import speechlike

SAID = speechlike(8.0)


def heard(**network: float) -> Heard:
    return listen(Network("", seconds=20.0, **network), SAID)  # type: ignore[arg-type]


def test_a_good_network_changes_nothing() -> None:
    good = heard()
    assert good.delay == 60
    assert good.snr_db == pytest.approx(35.0, abs=0.1)


@pytest.mark.parametrize("share", [0.03, 0.1])
def test_loss_is_made_up_and_no_more(share: float) -> None:
    lossy, came = heard(loss=share), len(Network("", seconds=20.0, loss=share).arrivals(20))
    assert lossy.made_up > 1 - came / 1000 - 0.005
    assert lossy.made_up < 1.5 * share + 0.02
    assert lossy.snr_db > 35 - 80 * share
    assert lossy.delay_at_end <= 120


def test_bursts_stay_within_the_buffer() -> None:
    assert heard(loss=0.1, burst=3.0).delay_at_end <= 160


def test_order_and_duplicates() -> None:
    assert heard(duplicated=0.1).made_up < 0.02
    assert heard(reordered=0.05).made_up < 0.06


@pytest.mark.parametrize("most", [20.0, 40.0, 80.0])
def test_jitter_is_taken_up_by_delay(most: float) -> None:
    jittery = heard(jitter=most)
    assert jittery.made_up < 0.03
    assert jittery.delay < 70 + most


def test_silence_that_is_not_sent_does_not_add_delay() -> None:
    assert listen(Network("", dtx=True, seconds=20.0), None).delay_at_end <= 80


@pytest.mark.parametrize("ppm", [-1200.0, 1200.0])
def test_clocks_that_drift_apart_do_not_grow_the_buffer(ppm: float) -> None:
    """Ten minutes drift as far as an hour of 200 ppm does: 720 ms. The hour itself is in the table."""
    drifting = listen(Network("", drift_ppm=ppm, seconds=600.0), None)
    steady = drifting.delay_ms[500:-50]
    assert np.nanmin(steady) >= 20
    assert np.nanmax(steady) <= 120
    assert drifting.made_up < 0.02
