"""What can be joined in the gains table: legs, players, recorder sides and taps."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from media._core import Srtp, ToneDigits, ToneMask
from media.engine import Codec
from media.reference.coders import G711, Coder, WideEar, coder
from media.reference.digits import DigitReceiver, PassingPress, Press
from media.reference.jitter import JitterBuffer
from media.reference.levels import RAMP, UNITY, Samples, saturate
from media.reference.node import Node
from media.reference.noise import ComfortNoise
from media.reference.probation import Probation
from media.reference.reports import Reports
from media.reference.rtp import EVENT_SIZE, MAX_PAYLOAD, Packet
from media.reference.streams import FRAME, FRAME_NS, Incoming, Outgoing, Placement, SampleClock

Address = tuple[str, int]


class Origin:
    """Where a leg's packets may come from. The signalled address always wins inside the window; one other source is
    followed there (NAT); afterwards nothing changes until the far side is signalled anew."""

    WINDOW_NS = 2_000_000_000

    def __init__(self) -> None:
        self.signalled: Address | None = None
        self.remote: Address | None = None
        self.since = 0
        self.moves = 0
        """How often it has changed where packets come from."""
        self._locked = self._learned = False

    def signal(self, address: Address, now: int) -> None:
        """A far end that is named once more and has not been heard yet may begin to speak only now: it was described
        before the call was answered."""
        if address == self.signalled and (self._locked or self._learned):
            return
        self.signalled = self.remote = address
        self.since = now
        self.moves += 1
        self._locked = self._learned = False

    def admit(self, source: Address, now: int) -> bool:
        if self.remote is None:
            return False
        if source == self.remote:
            self._locked = self._locked or source == self.signalled
            return True
        late = self._locked or now - self.since > self.WINDOW_NS
        if late or (self._learned and source != self.signalled):
            return False
        self.moves += 1
        self.remote, self._locked, self._learned = source, source == self.signalled, True
        return True


class Packing:
    """Cuts the frames of a mix into packets of the length that the far side wants."""

    def __init__(self) -> None:
        self._rest = np.zeros(0, np.int16)
        self._last, self._fresh = 0, True

    def add(self, frame: Samples, now: int, packet_samples: int) -> Iterator[tuple[Samples, bool]]:
        """The samples of each packet that is full now, and True where it does not follow on another."""
        if now != self._last + FRAME_NS:
            self._rest, self._fresh = np.zeros(0, np.int16), True
        self._last = now
        self._rest = np.concatenate([self._rest, frame])
        while len(self._rest) >= packet_samples:
            packet, self._rest = self._rest[:packet_samples], self._rest[packet_samples:]
            fresh, self._fresh = self._fresh, False
            yield packet, fresh

    def end(self) -> Iterator[tuple[Samples, bool]]:
        """The mix ends: what is left, 10 to 40 ms, for it is heard by nobody otherwise."""
        if len(self._rest):
            packet, self._rest = self._rest, np.zeros(0, np.int16)
            fresh, self._fresh = self._fresh, False
            yield packet, fresh


@dataclass
class Refusals:
    """What was refused, closer: where nothing is heard, this tells why."""

    unprotected: int = 0
    """From the far end, but not by its SRTP key, or seen before."""
    foreign: int = 0
    """From the far end, of a payload type that nobody agreed on …"""
    last_type: int = -1
    """… which was this."""
    stranger: Address | None = None
    """Who else sent something."""


@dataclass(eq=False)
class Leg(Node):
    """One far end, its RTP in and out. It hears and it sounds."""

    out: Outgoing = field(kw_only=True)
    codec: Codec = Codec.PCMA
    payload_type: int = 8
    digit_payload_type: int = -1
    received_type: int = 8
    """What the far side was told to send by, as are the keys …"""
    received_digit_type: int = -1
    digit_ratio: int = 1
    """Ticks of the telephone-events' clock in one 8 kHz sample."""
    packet_samples: int = FRAME
    """How much sound each packet of our own mix holds."""
    comfort_noise: bool = False
    """The far side takes CN packets; what it sends of them is always understood."""
    noise: ComfortNoise = field(default_factory=ComfortNoise)
    recorded_noise: ComfortNoise = field(default_factory=ComfortNoise)
    silent_from: int = 0
    """On the common sample grid: up to here a recording has what the far end did not send."""
    coder: Coder = field(default_factory=lambda: coder(Codec.PCMA))
    wide: WideEar | None = None
    """Decodes the same at 16 kHz; None where there is nothing above 4 kHz."""
    protect: Srtp | None = None
    unprotect: Srtp | None = None
    """SRTP of each direction, in the native module: libsrtp's."""
    keys: tuple[str, bytes, bytes] = ("", b"", b"")
    tones: ToneDigits | None = None
    """Listens for keys in the audio, where the far end has no telephone-events. From the native module: spandsp's."""
    clock: SampleClock = field(default_factory=SampleClock)
    heard_until: int = 0
    """On the sender's clock, behind the newest audio or key."""
    packing: Packing = field(default_factory=Packing)
    origin: Origin = field(default_factory=Origin)
    probation: Probation = field(default_factory=Probation)
    incoming: Incoming = field(default_factory=Incoming)
    digits_in: DigitReceiver = field(default_factory=DigitReceiver)
    digits_out: deque[Press] = field(default_factory=deque)
    passing: PassingPress | None = None
    """To my far end …"""
    taken_over: DigitReceiver = field(default_factory=DigitReceiver)
    """… and what was pressed for it instead: a relay must not press it once more."""
    timeline: Placement = field(default_factory=lambda: Placement(2400 - FRAME, 480))
    """For recordings: what comes 280 ms late still finds its place."""
    jitter: JitterBuffer = field(default_factory=JitterBuffer)
    feeding: bool = False
    """Some listener mixes this leg, so the jitter buffer is in use."""
    silence_said: bool = False
    packets_in: int = 0
    packets_out: int = 0
    octets_out: int = 0
    """Of payload, as sender reports count."""
    strangers: int = 0
    malformed: int = 0
    last_packet: int = 0
    refusals: Refusals = field(default_factory=Refusals)
    reports: Reports = field(init=False)

    def __post_init__(self) -> None:
        self.reports = Reports(self.out)

    def agreed(self, payload_type: int) -> Codec | str | None:
        """What a number stands for: by what we wrote, or else by what they did (RFC 3264 section 5.1). Many far ends
        send by their own."""
        if payload_type == self.received_digit_type:
            return "event"
        if payload_type == self.received_type:
            return self.codec
        if payload_type == self.digit_payload_type:
            return "event"
        return self.codec if payload_type == self.payload_type else None

    def understand(self, packet: Packet) -> Codec | str | None:
        """The codec of an audio packet, ``event``, ``comfort noise``, or None when this leg has no use for it."""
        if not 0 < len(packet.payload) <= MAX_PAYLOAD:
            return None
        agreed = self.agreed(packet.payload_type)
        if agreed == "event":
            return None if len(packet.payload) % EVENT_SIZE else agreed
        if agreed is not None:
            return agreed
        # The static types mean the same everywhere (RFC 3551 table 4); some phones send the other law unasked.
        if packet.payload_type in G711 and self.codec in G711:
            return Codec(packet.payload_type)
        return "comfort noise" if packet.payload_type == 13 else None  # RFC 3389


@dataclass(eq=False)
class Player(Node):
    """Plays what is queued, without a gap. A run begins with ``play`` or ``finish`` and ends when the queue is dry
    after ``finish``, or with ``stop``; ``heard`` counts the samples of this run that were sent to somebody."""

    queue: deque[tuple[Samples, bool]] = field(default_factory=deque)
    played: int = 0
    running: bool = False
    finishing: bool = False
    heard: int = 0
    unsent: int = 0
    """Samples of the frame that nobody has been sent yet."""
    tail: Samples = field(default_factory=lambda: np.zeros(0, np.int16))
    """What is still to die away after a stop."""
    _tail_out: bool = False

    @property
    def sounding(self) -> bool:
        return self.running or bool(len(self.tail))

    def sent(self) -> None:
        """The frame went out to one of those who hear it; to the others it is the same."""
        self.heard += self.unsent
        self.unsent = 0

    def fade(self) -> int:
        """Before everything is dropped: the next frame begins with a last 5 ms; returns how many samples are yet to
        be sent."""
        last = self.read()[:RAMP]
        gains = UNITY * (RAMP - 1 - np.arange(len(last))) // RAMP
        self.tail, self._tail_out = saturate(last.astype(np.int32) * gains >> 12), False
        return self.unsent + len(last) if len(last) else 0

    def add_tail(self, frame: Samples) -> Samples:
        """It counts as sounding until everybody has taken the frame that it was added to."""
        if self._tail_out:
            self.tail = np.zeros(0, np.int16)
        self._tail_out = bool(len(self.tail))
        return saturate(frame.astype(np.int32) + np.pad(self.tail, (0, FRAME - len(self.tail))))

    def read(self) -> Samples:
        """Up to one frame of samples."""
        taken: list[Samples] = []
        wanted = FRAME
        while self.queue and wanted:
            samples, loop = self.queue[0]
            piece = samples[self.played : self.played + wanted]
            taken.append(piece)
            wanted -= len(piece)
            self.played += len(piece)
            if self.played < len(samples):
                break
            self.played = 0
            if not (loop and len(self.queue) == 1):
                self.queue.popleft()
        return np.concatenate([np.zeros(0, np.int16), *taken])


@dataclass(eq=False)
class Side(Node):
    """One channel of a recorder."""

    recorder: Recorder = field(kw_only=True)
    channel: int = 0


class Recorder:
    """Sums what both sides hear onto one timeline, and hands it out when it is too old for a late packet to change."""

    SIZE, TOLERANCE = 4096, 2400

    def __init__(self, left: int, right: int, began: int, *, mask_tones: bool = False) -> None:
        self.left, self.right = Side(left, recorder=self), Side(right, recorder=self, channel=1)
        self._masks = [ToneMask(), ToneMask()] if mask_tones else []
        self._heard = 0
        """How far the masks have heard. From the native module: the detector is spandsp's."""
        self._sums = np.zeros((self.SIZE, 2), np.int16)
        self._began, self._committed, self._written_until = began, 0, 0

    def add(self, channel: int, at: int, samples: npt.NDArray[np.int32]) -> None:
        """``at`` is on the common grid."""
        index = np.arange(len(samples)) + at - self._began
        fits = (index >= self._committed) & (index < self._committed + self.SIZE)
        place = index[fits] % self.SIZE
        self._sums[place, channel] = saturate(self._sums[place, channel] + samples[fits])
        self._written_until = max([self._written_until, *(index[fits] + 1)])

    def commit(self, now: int) -> Iterator[tuple[int, bytes]]:
        """Blocks of 20 ms that are old enough: where they begin, and both channels interleaved."""
        tolerance = self.TOLERANCE + (ToneMask.ahead if self._masks else 0)
        while now - self._began - tolerance >= self._committed + FRAME:
            yield self._take(FRAME)

    def commit_rest(self, now: int) -> Iterator[tuple[int, bytes]]:
        """What is left at the end."""
        while (rest := max(self._written_until, now - self._began) - self._committed) > 0:
            yield self._take(min(rest, FRAME))

    def _take(self, count: int) -> tuple[int, bytes]:
        start = self._committed
        at = (start + np.arange(count)) % self.SIZE
        self._hear_tones(start + count)
        block = self._sums[at]
        for channel, mask in enumerate(self._masks):
            gains = np.array([mask.gain(start + i) for i in range(count)])
            block[:, channel] = block[:, channel].astype(np.int32) * gains >> 12
        self._sums[at] = 0
        self._committed += count
        return start, block.tobytes()

    def _hear_tones(self, until: int) -> None:
        while self._masks and self._heard < until + ToneMask.ahead:
            frame = self._sums[(self._heard + np.arange(FRAME)) % self.SIZE]
            for channel, mask in enumerate(self._masks):
                mask.hear(frame[:, channel].tobytes())
            self._heard += FRAME
