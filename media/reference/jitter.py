"""The jitter buffer of a leg that sounds in a mix, and what is heard where packets are missing.

The buffer finds its delay by what is left in it after each frame: when it runs dry it waits, and so grows by just what
was missing; when more is left over for seconds than is needed, frames are played a little faster. That also takes up
the drift between two clocks.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from media.reference.levels import UNITY, Samples
from media.reference.rtp import ahead
from media.reference.streams import FRAME


class Concealment:
    """Where packets are missing, the last pitch period is heard again and dies away; no click at either end."""

    WHOLE, LONGEST = 80, 480
    """Unchanged for 10 ms, silent after 60."""
    JOINING = 10
    """1.25 ms: longer would only spoil more of what was said."""
    COMPARED, LAGS = 80, range(40, 161)
    """Pitches of 50 to 200 Hz, and multiples of higher ones."""

    def __init__(self, scale: int = 1) -> None:
        """``scale``: samples for each one of 8 kHz, 1 or 2."""
        self._joining = scale * self.JOINING
        self._whole, self._longest, self._compared = scale * self.WHOLE, scale * self.LONGEST, scale * self.COMPARED
        self._lags = range(scale * self.LAGS.start, scale * (self.LAGS.stop - 1) + 1)
        self._history = np.zeros(scale * 320, np.int16)
        self._base = self._history
        self._lost, self._lag = self._longest, 40

    def forget(self) -> None:
        """Nothing has been heard lately: there is nothing to go on with."""
        self._lost = self._longest

    @property
    def exhausted(self) -> bool:
        return self._lost >= self._longest

    def remember(self, heard: Samples) -> None:
        self._history = np.concatenate([self._history, heard])[-len(self._history) :]
        self._lost = 0

    def fill(self, count: int) -> Samples:
        """``count`` samples for those that are missing."""
        if count and self._lost == 0:
            self._begin()
        made_up = self._continued(count)
        self._lost += count
        return made_up

    def join(self, heard: Samples) -> Samples:
        """The first samples after a loss: what was made up fades into them."""
        if self._lost == 0:
            return heard
        count = min(self._joining, len(heard))
        real = UNITY * (np.arange(count) + 1) // count
        mixed = heard[:count].astype(np.int32) * real + self._continued(count).astype(np.int32) * (UNITY - real) >> 12
        return np.concatenate([mixed.astype(np.int16), heard[count:]])

    def _begin(self) -> None:
        self._base = self._history
        wide = self._base.astype(np.int32)
        last, begin = wide[-self._compared :], len(wide) - self._compared
        differences = [np.abs(last - wide[begin - lag : begin - lag + self._compared]).sum() for lag in self._lags]
        self._lag = self._lags[int(np.argmin(differences))]
        self._close_period()

    def _close_period(self) -> None:
        """The end of the period fades into what stood before its beginning, and so goes round without a seam."""
        count = self._lag // 4
        before = UNITY * (np.arange(count) + 1) // count
        wide = self._base.astype(np.int32)
        end = wide[-count:] * (UNITY - before) + wide[-count - self._lag : -self._lag] * before >> 12
        self._base = np.concatenate([self._base[:-count], end.astype(np.int16)])

    def _continued(self, count: int) -> Samples:
        at = self._lost + np.arange(count)
        fading = np.maximum(at - self._whole, 0) * UNITY // (self._longest - self._whole)
        gains = np.clip(UNITY - fading, 0, UNITY)
        continued: Samples = (self._base[-self._lag + at % self._lag].astype(np.int32) * gains >> 12).astype(np.int16)
        return continued


class JitterBuffer:
    """``now`` is on the common sample grid; positions are on the sender's clock."""

    SIZE, LONGEST, FIRST_DELAY, JUMP = 4096, 1600, 320, 8000
    WINDOW = 200
    """Frames: 4 s."""
    TOO_MUCH, ENOUGH, SCARCE = 320, 240, 40
    """Samples left over after a frame, at least, in a window."""

    def __init__(self) -> None:
        self._samples, self._here = np.zeros(self.SIZE, np.int16), np.zeros(self.SIZE, bool)
        self._concealment = Concealment()
        self._anchored = False
        self._next = self._end = self._waited = self._used = self._late = self._frames = self._surplus = 0
        self._least = self.LONGEST

    def remember(self, now: int, samples: Samples) -> None:
        """Samples that went past it, by relay: what a mix begins with follows on them."""
        self._concealment.remember(samples)
        self._used, self._anchored = now + len(samples), False

    def start(self, now: int) -> None:
        """From now on frames will be read."""
        if now - self._used > self._concealment.LONGEST:
            self._concealment.forget()
        self.forget_timing()

    def forget_timing(self) -> None:
        """The sender's stream begins anew."""
        self._anchored, self._waited = False, 0

    def write(self, timestamp: int, samples: Samples) -> None:
        count = len(samples)
        if not self._anchored:
            self._anchor(timestamp, count)
        at = self._next + ahead(timestamp, self._next, 32)
        if at + count <= self._next:
            self._late += 1
            if self._next - at <= self.JUMP and self._late < 5:
                return
            at = self._anchor(timestamp, count)
        elif at - self._next > self.LONGEST:
            at = self._anchor(timestamp, count)
        self._late = 0
        if at > self._next:
            self._next += min(self._waited, at - self._next)  # that much of the hole has been filled by waiting
        self._waited = 0
        places = np.arange(max(at, self._next), at + count) % self.SIZE
        self._samples[places], self._here[places] = samples[count - len(places) :], True
        self._end = max(self._end, at + count)

    def read(self, now: int) -> Samples | None:
        """Take the frame that begins at ``now``; None when the source has nothing to say."""
        self._used = now
        waiting = max(0, self._end - self._next) if self._anchored else 0
        faster = min(max(self._surplus, -4), 4)
        if waiting < FRAME + faster:
            faster = 0
        self._surplus -= faster
        count = min(waiting, FRAME + faster)
        if count == 0 and self._concealment.exhausted:
            self._wait_silently()
            return None
        taken = self._take(count)
        if count < FRAME + faster:
            taken = np.concatenate([taken, self._concealment.fill(FRAME - count)])
            self._wait(FRAME - count)
        self._judge()
        return self._stretched(taken)

    def rest(self, now: int) -> Samples:
        """What would be read next, up to a hole; for a listener who from now on hears this leg by relay."""
        if not self._anchored or now - self._used > 2 * FRAME:
            return np.zeros(0, np.int16)
        places = np.arange(self._next, max(self._next, self._end)) % self.SIZE
        holes = np.flatnonzero(~self._here[places])
        return self._samples[places[: holes[0]] if len(holes) else places]

    def _anchor(self, timestamp: int, count: int) -> int:
        """Where it begins anew in the middle of what is heard, as behind a relay, what was made up until now is waiting
        too. Packets that are not whole frames need the rest of one, or it would run dry at once."""
        waited = 0 if self._anchored else self._waited
        self._anchored = True
        self._here[:] = False
        self._end = timestamp & 0xFFFFFFFF
        self._next = self._end - max(count % FRAME, self.FIRST_DELAY - waited)
        self._waited = self._late = self._frames = self._surplus = 0
        self._least = self.LONGEST
        return self._end

    def _wait(self, samples: int) -> None:
        self._waited += samples
        if self._waited >= self.LONGEST:
            self.forget_timing()  # it has fallen silent

    def _wait_silently(self) -> None:
        """Whoever begins to speak, and does not go on, begins with the whole delay."""
        if self._anchored or self._waited:
            self._wait(FRAME)

    def _take(self, count: int) -> Samples:
        """Runs that are here and runs that are not."""
        places = np.arange(self._next, self._next + count) % self.SIZE
        self._next += count
        here = self._here[places]
        self._here[places] = False
        borders = [0, *(np.flatnonzero(np.diff(here)) + 1).tolist(), count] if count else []
        parts = [np.zeros(0, np.int16)]
        for begin, end in pairwise(borders):
            if here[begin]:
                run = self._concealment.join(self._samples[places[begin:end]])
                self._concealment.remember(run)
            else:
                run = self._concealment.fill(end - begin)
            parts.append(run)
        return np.concatenate(parts)

    @staticmethod
    def _stretched(taken: Samples) -> Samples:
        """As many samples as there are, in the time of one frame."""
        wide = taken.astype(np.int32)
        at = np.arange(FRAME) * len(wide) * 256 // FRAME
        left, right = wide[at >> 8], wide[np.minimum((at >> 8) + 1, len(wide) - 1)]
        stretched: Samples = (left + ((right - left) * (at & 255) >> 8)).astype(np.int16)
        return stretched

    def _judge(self) -> None:
        if not self._anchored:
            return
        self._least = min(self._least, max(0, self._end - self._next))
        self._frames += 1
        if self._frames < self.WINDOW:
            return
        self._surplus = 0
        if self._least > self.TOO_MUCH:
            self._surplus = self._least - self.ENOUGH
        elif self._least < self.SCARCE:
            self._surplus = -80
        self._frames, self._least = 0, self.LONGEST
