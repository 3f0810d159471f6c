"""A network between a telephone and the media core, in virtual time: what it does to packets, and what is heard of it.

Everything is seeded: the same network gives the same figures on every machine.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from media import _core
from media.engine import Codec
from media.reference.rtp import Packet

Samples = npt.NDArray[np.int16]
MS = 1_000_000
TURN = 32_768
"""Positions are told by the samples themselves, modulo this."""


@dataclass(frozen=True, slots=True)
class Network:
    """Shares are of packets; ``burst`` is how many are lost in a row on average, ``jitter`` milliseconds at most."""

    name: str
    loss: float = 0.0
    burst: float = 1.0
    reordered: float = 0.0
    duplicated: float = 0.0
    jitter: float = 0.0
    drift_ppm: float = 0.0
    dtx: bool = False
    """After each second of speech one of silence is not sent."""
    seconds: float = 60.0

    def arrivals(self, packet_ms: int, seed: int = 1) -> list[tuple[float, int]]:
        """(milliseconds, packet number) in the order in which they come."""
        chance, losing = random.Random(seed), False
        came: list[tuple[float, int]] = []
        for number in range(round(self.seconds * 1000 / packet_ms)):
            sent = packet_ms * number / (1 + self.drift_ppm / 1e6)
            stay, begin = 1 - 1 / self.burst, self.loss / max(1 - self.loss, 1e-9) / self.burst
            losing = chance.random() < (stay if losing and self.burst > 1 else begin if self.burst > 1 else self.loss)
            late = chance.random() * self.jitter + (2.5 * packet_ms if chance.random() < self.reordered else 0.0)
            again = chance.random() < self.duplicated
            if losing or (self.dtx and sent % 2000 >= 1000):
                continue
            came += [(sent + late, number)] + [(sent + late + 5, number)] * again
        return sorted(came)


@dataclass(frozen=True, slots=True)
class Heard:
    """What came out of the mix, frame by frame of 20 ms."""

    delay_ms: npt.NDArray[np.float64]
    """From a sample's packet leaving the telephone to its frame leaving us, the mean of a frame; NaN where all of it
    was made up."""
    made_up: float
    """Share of the samples of speech that were made up, are silence or came twice."""
    snr_db: float
    """Segmental, against what was said, -10 to 35 dB a frame; frames that are played faster or slower left out."""

    @property
    def delay(self) -> float:
        """The median."""
        return float(np.nanmedian(self.delay_ms))

    @property
    def delay_at_end(self) -> float:
        """The median of the last five seconds."""
        return float(np.nanmedian(self.delay_ms[-250:]))


def listen(network: Network, said: Samples | None, packet_ms: int = 20) -> Heard:
    """Send through ``network``. The buffer looks at times only, so one call whose samples are their own positions tells
    where everything went, and a second one of speech how that sounds. ``said`` None: only the first."""
    arrivals, size = network.arrivals(packet_ms), 8 * packet_ms
    length = size * (max(number for _, number in arrivals) + 1)
    if said is not None and network.dtx:  # what is not sent is silence
        said = np.where(np.arange(length) // 8 % 2000 < 1000, np.resize(said, length), 0).astype(np.int16)
    where = mixed(arrivals, (np.arange(length) % TURN).astype(np.int16), packet_ms)
    delay, places, real, newest = np.full(len(where), np.nan), np.full(len(where), -1), 0, -1
    for index, (now, positions) in enumerate(where):
        expected = round(now * 8 * (1 + network.drift_ppm / 1e6))
        place = expected - (expected - positions.astype(int)) % TURN
        # What is made up repeats what was heard, so its samples follow each other too; but they are not new.
        heard = np.maximum.accumulate(np.append(newest, place))
        new = 1 + np.flatnonzero((_steps(positions) == 1) & (place > heard[:-1])[1:])
        if len(new) > 40:
            middle = new[len(new) // 2]
            newest = place[new[-1]]
            places[index] = place[middle] - middle
            delay[index] = now - np.mean(place[new] // size) * packet_ms / (1 + network.drift_ppm / 1e6)
            real += len(new) + 1
        elif index and places[index - 1] >= 0:
            places[index] = places[index - 1] + 160
    spoken = 160 * len(where) * (0.5 if network.dtx else 1.0)
    snr = [] if said is None else _snrs(arrivals, np.resize(said, length), packet_ms, places, where)
    return Heard(delay, max(0.0, 1 - real / spoken), float(np.mean(snr)) if snr else np.nan)


def _steps(positions: Samples) -> npt.NDArray[np.int_]:
    """How far on each sample is from the one before: 1 where nothing was done to them."""
    steps: npt.NDArray[np.int_] = np.diff(positions.astype(int)) % TURN
    return steps


def _stretched(positions: Samples) -> bool:
    """Played faster or slower: a few samples are left out, or stand twice, and that is all."""
    steps = _steps(positions)
    return bool((steps <= 2).all() and 150 <= (steps == 1).sum() < len(steps))


def _snrs(
    arrivals: list[tuple[float, int]],
    said: Samples,
    packet_ms: int,
    places: npt.NDArray[np.int_],
    where: list[tuple[float, Samples]],
) -> list[float]:
    """One for each frame of speech."""
    clean = said.astype(float)
    ratios = []
    for place, (_, positions), (_, frame) in zip(places, where, mixed(arrivals, said, packet_ms), strict=False):
        part = clean[max(place, 0) : place + 160]
        power = float((part**2).sum())
        if place >= 0 and len(part) == 160 and power > 160 * 100.0**2 and not _stretched(positions):
            noise = float(((part - frame) ** 2).sum())
            ratios.append(float(np.clip(10 * np.log10(power / max(noise, 1.0)), -10, 35)))
    return ratios


def mixed(arrivals: list[tuple[float, int]], sound: Samples, packet_ms: int) -> list[tuple[float, Samples]]:
    """(milliseconds, frame) of a listener who hears ``sound`` in a mix. Linear audio: nothing else changes it."""
    switch = _core.Switch()
    caller, listener = (switch.open_leg(number, 0, 0) for number in (1, 2))
    for number, leg in enumerate((caller, listener)):
        switch.set_codec(leg, Codec.L16, Codec.L16, -1)
        switch.set_remote(leg, "127.0.0.1", 4000 + 2 * number)
    begin = 1_000 * MS
    switch.advance(begin)
    silence = switch.open_player()  # a second source, so that it is a mix
    switch.play(silence, bytes(320), True)
    for source in (silence, caller):
        switch.set_gain(listener, source, 1.0)
    size, wire = 8 * packet_ms, sound.astype(">i2").tobytes()
    heard: list[tuple[float, Samples]] = []
    now = begin
    for due, number in [*arrivals, (arrivals[-1][0] + 300, -1)]:
        until = begin + round(due * MS)
        while now < until:
            now = min(now + 10 * MS, until)
            switch.advance(now)
        heard += [((now - begin) / MS, _payload(data)) for leg, data, _, _ in switch.take_sent() if leg == listener]
        if number >= 0:
            payload = wire[2 * size * number : 2 * size * (number + 1)]
            packet = Packet(Codec.L16, number & 0xFFFF, size * number & 0xFFFFFFFF, 7, payload)
            switch.packet(caller, bytes(packet), "127.0.0.1", 4000, now)
    first = next((index for index, (_, frame) in enumerate(heard) if frame.any()), 0)
    return heard[first:]


def _payload(data: bytes) -> Samples:
    return np.frombuffer(data[12:], ">i2").astype(np.int16)
