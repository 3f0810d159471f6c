"""The media engine as Python sees it: commands go in, events come out in batches, no call per frame.

Everything that hears is a *listener* and everything that sounds is a *source*; a node is a small integer that may
be either or both. Who hears whom is one table of gains (listener × source), and prompt, monitor, whisper, barge,
hold and recording are rows of it. Two implementations: ``media.native.NativeEngine`` (C++, ``media/core``) and
``media.reference.ReferenceEngine`` (slow and readable); one test class runs against both.

Audio at this interface is mono 16-bit signed little-endian PCM at 8 kHz.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import NewType, Protocol

Node = NewType("Node", int)


class Codec(IntEnum):
    """Codecs by the RTP payload type that we offer them under: static (RFC 3551 section 6), or dynamic from 96 on.

    All audio is mono and passes the core at 8 kHz unless it is relayed as it came.
    """

    PCMU = 0
    PCMA = 8
    G722 = 9
    OPUS = 96
    L16 = 97
    L16_WIDE = 98
    """Linear samples at 16 kHz; ``L16`` is at 8 kHz."""

    @property
    def encoding(self) -> str:
        """The encoding name of its rtpmap, without clock rate and channels."""
        return "L16" if self is Codec.L16_WIDE else "opus" if self is Codec.OPUS else self.name

    @property
    def clock_rate(self) -> int:
        """Ticks a second of its RTP timestamps: 8000 for G.722 too (RFC 3551 section 4.5.2), always 48000 for Opus."""
        return {Codec.OPUS: 48000, Codec.L16_WIDE: 16000}.get(self, 8000)


    def packs(self, ms: int) -> bool:
        """May a packet hold so many milliseconds? Opus has no frames of 30 (RFC 7587 section 4.2), and 60 ms of
        ``L16_WIDE`` do not fit into an Ethernet frame."""
        return ms in (10, 20, 30, 40, 60) and (self, ms) not in ((Codec.OPUS, 30), (Codec.L16_WIDE, 60))


class SrtpSuite(StrEnum):
    """How SRTP protects a stream (RFC 4568 section 6.2, RFC 7714 section 14.2)."""

    AES_CM_128_HMAC_SHA1_80 = "AES_CM_128_HMAC_SHA1_80"
    AES_CM_128_HMAC_SHA1_32 = "AES_CM_128_HMAC_SHA1_32"
    AEAD_AES_128_GCM = "AEAD_AES_128_GCM"
    AEAD_AES_256_GCM = "AEAD_AES_256_GCM"

    @property
    def key_size(self) -> int:
        """Bytes of master key and master salt together."""
        return {SrtpSuite.AEAD_AES_128_GCM: 28, SrtpSuite.AEAD_AES_256_GCM: 44}.get(self, 30)


@dataclass(frozen=True, slots=True)
class SrtpKeys:
    """Master key and salt of each direction, one after the other. They are never shown."""

    suite: SrtpSuite
    send: bytes = field(repr=False)
    receive: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class OpenLeg:
    """A leg that has a bound RTP socket: announce ``port`` in SDP. RTP is on this even port,
    RTCP on the odd one above."""

    node: Node
    port: int


@dataclass(frozen=True, slots=True)
class OpenRecorder:
    """A stereo file that is being written. ``left`` and ``right`` are listeners."""

    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class DigitPressed:
    """One key press, reported once: at its first telephone-event packet (RFC 4733), or as a tone in the audio of a leg
    that has no telephone-events."""

    node: Node
    key: str
    in_band: bool = False
    """Heard as a tone: whoever hears this leg has heard it too."""


@dataclass(frozen=True, slots=True)
class PlayFinished:
    """A player ran dry after ``finish`` or was stopped; ``samples`` is how many its listeners were sent in all."""

    node: Node
    samples: int


@dataclass(frozen=True, slots=True)
class FirstPacket:
    """The first valid RTP packet of a leg arrived from ``address``:``port``."""

    node: Node
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class RtpSilence:
    """No RTP came from the leg for ``seconds``; said once, and again only after packets resumed. Not a hang-up."""

    node: Node
    seconds: float


@dataclass(frozen=True, slots=True)
class RecorderTrouble:
    """The recording cannot be written (disk full, slow disk): ``reason``; audio is not touched. Said once, and again
    only after ``RecorderResumed``."""

    node: Node
    reason: str


@dataclass(frozen=True, slots=True)
class RecorderResumed:
    """The disk has taken everything that waited for it, and writing goes on; ``missing_ms`` of the recording so far
    found no room meanwhile and stay silent."""

    node: Node
    missing_ms: int


@dataclass(frozen=True, slots=True)
class RecorderClosed:
    """Nobody writes to a closed recorder's file any more; it has ``frames`` samples a channel. ``missing_ms`` of what
    was to be recorded are not in it: silent where the disk took nothing for more than four seconds, or cut off at its
    end where the disk took nothing then. ``node`` is the left side."""

    node: Node
    frames: int
    missing_ms: int


MediaEvent = (
    DigitPressed | PlayFinished | FirstPacket | RtpSilence | RecorderTrouble | RecorderResumed | RecorderClosed
)


@dataclass(frozen=True, slots=True)
class FarSide:
    """What a leg's far end told in its RTCP reports (RFC 3550 section 6.4), and what we told it."""

    reports: int = 0
    """Compound packets that came from it."""
    reports_sent: int = 0
    reports_refused: int = 0
    """From anybody else, not protected by its key, or malformed."""
    heard: int = 0
    """How many of its reports said how our stream arrives. None, while reports come: it hears nothing of us."""
    packets_sent: int = -1
    """How many packets it says it has sent; -1 when it has not said so."""
    expected: int = 0
    """How many packets of ours should have arrived there …"""
    lost: int = 0
    """… and how many of them did not."""
    jitter_ms: float = 0.0
    """Of our stream, there."""
    round_trip_ms: float = -1.0
    """There and back, without the time that it kept our report for; -1 while unknown."""
    left: bool = False
    """It said BYE."""


@dataclass(frozen=True, slots=True)
class LegStats:
    """Counters of one leg since it was opened."""

    packets_in: int
    packets_out: int
    dropped_stranger: int
    """Packets from a third address, or without the right SRTP key, or replayed: refused."""
    dropped_malformed: int
    """No RTP, or nothing that was agreed on."""
    lost: int
    jitter_ms: float
    last_packet_age_ms: float
    """-1 when none has arrived."""
    dropped_unprotected: int = 0
    """Those of the strangers' that came from the far end's own address: its key does not fit."""
    dropped_other_stream: int = 0
    """From the far end's own address, of another stream (SSRC) than the one that is heard. In no other count."""
    dropped_foreign: int = 0
    """Those of the malformed that were RTP from the far end, of a payload type that nobody agreed on …"""
    foreign_type: int = -1
    """… the last of which was this."""
    codec: Codec = Codec.PCMA
    announced: tuple[str, int] | None = None
    """Where the far end said it is."""
    source: tuple[str, int] | None = None
    """Where it really sends from, once packets came in; we send there too."""
    stranger: tuple[str, int] | None = None
    """Who was refused last."""
    far: FarSide = FarSide()


@dataclass(frozen=True, slots=True)
class MediaConfig:
    """How the engine is set up."""

    port_low: int = 20000
    port_high: int = 29999
    """RTP ports, inclusive; even/odd pairs are taken at random."""
    threads: int = 1
    """Media threads, 1…64; legs are spread over them. The reference engine has one, whatever is said here."""
    realtime: bool = True
    """Ask for SCHED_FIFO, then nice -15, and say which was granted."""
    silence_after: float = 10.0
    """Seconds without RTP until ``RtpSilence``."""


class MediaEngine(Protocol):
    """Commands return at once and take effect within one tick (20 ms), in the order in which they are given, and for
    every packet that comes later. Unknown or closed nodes raise KeyError."""

    def start(self) -> None:
        """Start the media and writer threads."""

    def close(self) -> None:
        """Close every leg and recording, stop the threads. May be called twice."""

    def scheduling(self) -> str:
        """What the media threads were granted: ``fifo``, ``nice`` or ``normal``; the least of them."""

    def fileno(self) -> int:
        """A descriptor (eventfd) that is readable while events wait; asyncio adds it as a reader."""

    def drain(self) -> list[MediaEvent]:
        """Take all waiting events, oldest first, and clear the descriptor."""

    def open_leg(self, address: str) -> OpenLeg:
        """Bind an RTP/RTCP port pair on ``address``, of IPv4 or IPv6: the leg speaks to far ends of that family alone.
        Raises OSError when the range is used up."""

    def set_codec(
        self,
        leg: Node,
        codec: Codec,
        *,
        payload_type: int,
        digit_payload_type: int | None,
        digit_clock: int = 8000,
        packet_ms: int = 20,
        comfort_noise: bool = False,
        receive_payload_type: int | None = None,
        receive_digit_payload_type: int | None = None,
    ) -> None:
        """Send and expect ``codec`` under ``payload_type``; telephone-event under ``digit_payload_type``, whose clock
        runs at 8000 Hz or at that of the codec (None: keys are listened for as tones).

        The two for receiving are where the far side was told other numbers than those it takes: what comes under these
        is what it was told, and under the far side's own it is understood as well, unless that number is one of these.

        Our own packets hold ``packet_ms``: 10, 20, 30, 40 or 60 (see ``Codec.packs``); what is relayed keeps the length
        that it came in. ``comfort_noise``: pass on packets of RFC 3389; those that come in are always understood, and
        in a mix heard."""

    def set_srtp(self, leg: Node, keys: SrtpKeys | None) -> None:
        """Protect both directions of a leg; None is plain RTP. A direction whose key stays goes on undisturbed. Packets
        that are not protected by the far side's key, or came before, count as a stranger's. Raises ValueError."""

    def set_remote(
        self, leg: Node, address: str, port: int, *, rtcp_mux: bool = False, rtcp: tuple[str, int] | None = None
    ) -> None:
        """Send to this address (from SDP). The real source may differ once: it is learned from the first packets
        within two seconds (NAT), then locked; packets from elsewhere are dropped and counted. Where nothing has been
        heard yet the two seconds begin anew when the same address is named again: a phone that was described while it
        rang may speak only when it is answered. Raises ValueError where the address is not of the leg's family.

        Reports (RTCP) go out every few seconds from now on, and a BYE when the leg is closed: to the port above, to
        ``rtcp`` where the far end announced that (RFC 3605), or with ``rtcp_mux`` to the same port (RFC 5761)."""

    def set_gain(self, listener: Node, source: Node, gain: float) -> None:
        """Set one cell of the table. 0.0 removes it. A leg whose only source is one other leg at gain 1.0 is
        relayed on arrival where both have the same codec, whose payloads then pass bit for bit, or both have G.711;
        otherwise it is mixed, which converts."""

    def open_player(self) -> Node:
        """A source that plays what is queued on it."""

    def play(self, player: Node, pcm: bytes | memoryview, *, loop: bool = False) -> None:
        """Queue samples behind what is waiting. ``loop`` repeats this piece until stopped or more is queued. They are
        not copied: whoever plays the same ``pcm`` a hundred times holds it once. A memoryview must be read-only, or
        ValueError is raised (``media.resident`` makes such, for what is played often)."""

    def finish(self, player: Node) -> None:
        """No more will be queued: ``PlayFinished`` follows when the queue has run dry."""

    def stop(self, player: Node) -> None:
        """Drop what is queued, within one tick; ``PlayFinished`` tells how many samples went out (0 when idle)."""

    def open_recorder(self, path: str, *, mask_tones: bool = False) -> OpenRecorder:
        """Create a stereo WAV (8 kHz, 16 bit) and record from now on, sample-aligned, silence filled. What has been
        recorded up to about a second ago is readable at any time, also after ``kill -9``. A gain that changes does so
        within 5 ms in the recording too. ``mask_tones``: keys that are heard as tones are silence, from up to 60 ms
        before to 40 ms after."""

    def open_tap(self, fd: int, *, piece_ms: int = 20, rate: int = 8000) -> Node:
        """A listener whose audio goes to the datagram socket ``fd`` (duplicated) in pieces of ``piece_ms`` (20, 40 …
        100), each a ``media.pieces.Piece``. Longer pieces come later and cost less. At a ``rate`` of 16000 it hears the
        whole band of G.722, Opus and wide L16; a mix, and other codecs, are brought to that rate.

        A reader that is slow finds the last four seconds: older pieces are dropped and counted, and the positions of
        those that come tell how much is missing. Few pieces wait in the socket, whose send buffer is made small.

        Packets are put in order: what comes behind a hole waits 40 to 200 ms for what is missing, which is then made
        up. Silence that is not sent is filled in, so that the time line goes on."""

    def close_node(self, node: Node) -> None:
        """Close a leg, player, recorder (name either side; both go, and ``RecorderClosed`` follows) or tap, and clear
        its rows and columns."""

    def send_digit(self, leg: Node, key: str, duration_ms: int = 160) -> None:
        """Send one RFC 4733 key press to the far end of the leg."""

    def tap_drops(self, tap: Node) -> int:
        """How many pieces the tap's reader was too slow to take, or was gone for."""

    def stats(self, leg: Node) -> LegStats:
        """Counters of a leg, and what its far end says of the line."""

    def open_nodes(self) -> int:
        """How many nodes are open; 0 when nothing is left over."""
