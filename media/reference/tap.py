"""A listener whose audio leaves in pieces: a recogniser.

It does not listen in real time, so what comes in order is handed on at once; only what comes behind a hole waits, 40
to 200 ms, for what belongs there. The time line never shrinks: what is lost is made up, and what a far end does not
send of its silence is filled in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

import numpy as np

from media._core import Resampler
from media.pieces import Piece
from media.reference.jitter import Concealment
from media.reference.levels import Samples, saturate, scaled
from media.reference.node import Node
from media.reference.noise import ComfortNoise
from media.reference.rtp import ahead
from media.reference.streams import FRAME

Stream = tuple[int, int]
"""A leg, and the epoch of what comes in."""
LONGEST, SHORTEST = 1600, 320
"""Patience: 40 to 200 ms."""
KEPT_MS = 4000
"""A recogniser may work on an utterance for so long without losing the next."""


class Taken(Enum):
    YES = auto()
    LATER = auto()
    """The reader is slow."""
    NEVER = auto()
    """The reader is gone."""


class Pieces:
    """What a tap's reader has yet to take. It waits here and not in the socket, where nothing can be taken back: who is
    slow loses the oldest, and the positions tell how much that was."""

    def __init__(self, piece: int, kept: int) -> None:
        """``piece``: samples in each; ``kept``: how many wait at most."""
        self.dropped = 0
        self._piece, self._kept, self._whole = piece, kept, 0
        self._waiting: deque[Piece] = deque()
        self._rest = np.zeros(0, np.int16)

    def put(self, samples: Samples) -> None:
        joined = np.concatenate([self._rest, samples])
        whole = len(joined) // self._piece * self._piece
        for piece in joined[:whole].reshape(-1, self._piece):
            self._waiting.append(Piece(self._whole * self._piece, piece.tobytes()))
            self._whole += 1
            if len(self._waiting) > self._kept:
                self._waiting.popleft()
                self.dropped += 1
        self._rest = joined[whole:]

    def hand_over(self, take: Callable[[bytes], Taken]) -> None:
        """Offer them to ``take``, oldest first, until it says ``LATER``."""
        while self._waiting:
            taken = take(bytes(self._waiting[0]))
            if taken is Taken.LATER:
                return
            self.dropped += taken is Taken.NEVER
            self._waiting.popleft()


@dataclass(eq=False)
class Tap(Node):
    """``scale``: samples for each one of 8 kHz, 1 or 2. Times are in samples of 8 kHz, its own counts at its rate."""

    piece_ms: int = 20
    scale: int = 1

    def __post_init__(self) -> None:
        self.pieces = Pieces(8 * self.piece_ms * self.scale, KEPT_MS // self.piece_ms)
        self._up = Resampler(8000, 16000) if self.scale == 2 else None
        self._history = np.zeros(320 * self.scale, np.int16)
        self._held: dict[int, int] = {}
        """What comes behind a hole: sample by place on the sender's clock."""
        self._stream: Stream | None = None
        self._anchored = self._concealing = False
        self._next = self._end = self._last = self._made = self._since = 0
        self._patience = 480
        self._noise, self._concealment = ComfortNoise(), Concealment(self.scale)

    def scaled_up(self, samples: Samples) -> Samples:
        """8 kHz samples at the rate of this tap."""
        return np.frombuffer(self._up.run(samples.tobytes()), np.int16) if self._up else samples

    def hear(self, stream: Stream, timestamp: int, samples: Samples, gain: int, now: int, *, lost: bool) -> None:
        """Samples at this tap's rate; ``timestamp`` is on the sender's clock, ``now`` on ours. ``lost``: packets before
        this one are missing, so that a hole is no silence."""
        samples = saturate(scaled(samples, gain))
        count, far = len(samples), LONGEST * self.scale
        at = self._next + ahead(timestamp * self.scale, self._next, 32)
        if not self._anchored or stream != self._stream or abs(at - self._next) > far:
            self._flush()
            if stream == self._stream and self._made:
                self._fill(self._made + (now - self._last) * self.scale - count)
            self._stream, self._anchored, self._made = stream, True, 0
            self._next = self._end = at = (timestamp & 0xFFFFFFFF) * self.scale & 0xFFFFFFFF
        if at + count <= self._next:  # who comes after he was given up is worth waiting longer for
            self._patience = min(self._patience + 320, LONGEST)
            return
        samples, at = samples[max(self._next - at, 0) :], max(at, self._next)
        if not self._waiting and (at == self._next or not lost):
            self._fill(at - self._next)
            self._put(samples)
            self._next = self._end = at + len(samples)
        else:
            if not self._waiting:
                self._since = now
            self._held |= dict(enumerate(samples.tolist(), at))
            self._end = max(self._end, at + len(samples))
            if self._give():
                self._since = now
            self._give_up(now)
        self._made, self._last = 0, now

    def hear_mix(self, frame: Samples) -> None:
        """A frame of a mix, at 8 kHz."""
        self._flush()
        self._anchored, self._stream = False, None
        self._put(self.scaled_up(frame))

    def wait(self, stream: Stream, noise: ComfortNoise, now: int) -> None:
        """Time passes. A far end that has fallen silent is heard as noise, where it told how loud, or silence."""
        if stream != self._stream:
            self._flush()
            self._stream, self._anchored, self._made, self._last = stream, False, 0, now
        self._give_up(now)
        self._noise.follow(noise)
        silent = now - self._last
        if silent <= 0 or (not self._made and silent < (2 * FRAME if noise.on else LONGEST)):
            return
        self._flush()
        made = self._made + silent * self.scale
        self._fill(made)
        self._made, self._last = made, now

    @property
    def _waiting(self) -> bool:
        return self._end > self._next

    def _give(self) -> bool:
        """Hand on what is next; False when nothing is."""
        before = self._next
        while self._waiting and self._next in self._held:
            run: list[int] = []
            while len(run) < FRAME and self._next in self._held:
                run.append(self._held.pop(self._next))
                self._next += 1
            heard = np.array(run, np.int16)
            self._put(self._concealment.join(heard) if self._concealing else heard)
            self._concealing = False
        return self._next != before

    def _give_up(self, now: int) -> None:
        while self._waiting and now - self._since >= self._patience:
            self._patience = max(self._patience - 40, SHORTEST)
            self._conceal()
            self._give()

    def _flush(self) -> None:
        """The end of a stream, or of its order."""
        while self._waiting:
            self._conceal()
            self._give()

    def _conceal(self) -> None:
        first = min(self._held)
        hole = first - self._next
        self._next = first
        hole -= min(hole, self._made)
        self._concealment.remember(self._history)
        self._concealing = hole > 0
        self._put(self._concealment.fill(hole))

    def _fill(self, count: int) -> None:
        """What a far end did not send, less what has been filled in already while time passed."""
        count, self._made = max(count - self._made, 0), 0
        if count:
            self._put(self._noise.samples(count) if self._noise.on else np.zeros(count, np.int16))

    def _put(self, samples: Samples) -> None:
        self._history = np.concatenate([self._history, samples])[-320 * self.scale :]
        self.pieces.put(samples)
