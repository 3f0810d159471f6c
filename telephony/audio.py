"""The media half of a leg: one RTP leg in the core, and around it players, a recorder and taps.

All of them are nodes, and all that is done with them is to set cells of the gains table: *this leg hears that
source*. Whatever the leg hears, the right channel of its recorder hears too.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from calls.phone import Sound
from media.engine import Codec, MediaEvent, Node, OpenRecorder, RecorderClosed, SrtpKeys
from media.server import MediaServer
from telephony.playback import Playing
from telephony.sdp import Agreed

TAP_MS = 40
"""What a listener to a leg is sent at a time: half the datagrams of 20 ms, and a word is known 20 ms later."""


class Audio:
    """One leg in the media core. ``on_event`` is told what the core says about the leg and its recorder."""

    def __init__(self, media: MediaServer, address: str, on_event: Callable[[MediaEvent], None]) -> None:
        """Bind an RTP port on ``address``. Raises OSError when the range is used up."""
        self.media, self.engine = media, media.engine
        self._on_event = on_event
        opened = self.engine.open_leg(address)
        self.node, self.port = opened.node, opened.port
        self.agreed: Agreed | None = None
        self._since = 0.0
        self.closed = False
        self.recorded: asyncio.Future[RecorderClosed] | None = None
        """Set once recording has ended: done when the recording's file is whole."""
        self._nodes: dict[Node, None] = {self.node: None}
        self._hears: dict[Node, float] = {}
        self._recorder: OpenRecorder | None = None
        self._taps: set[Node] = set()
        self._dropped = 0
        self._playing: Playing | None = None
        media.watch(self.node, on_event)

    @property
    def held(self) -> bool:
        """The far side has asked not to be sent anything."""
        return self.agreed is not None and not self.agreed.direction.sends

    @property
    def seconds(self) -> float:
        """Since audio was first agreed on."""
        return asyncio.get_running_loop().time() - self._since if self.agreed else 0.0

    @property
    def codec(self) -> Codec | None:
        return self.agreed.codec if self.agreed else None

    @property
    def keys(self) -> SrtpKeys | None:
        """Those in use; None is plain RTP."""
        return self.agreed.keys if self.agreed else None

    @property
    def has_digits(self) -> bool:
        """telephone-event was agreed on."""
        return self.agreed is not None and self.agreed.digit_payload_type is not None

    def agree(self, agreed: Agreed) -> None:
        """Apply what offer and answer settled: codec, keys, far address, and whether we may send. Whoever holds us may
        send music, and from another place."""
        if agreed.keys != self.keys:
            self.engine.set_srtp(self.node, agreed.keys)
        if self.agreed is None:
            self._since = asyncio.get_running_loop().time()
        self.agreed = agreed
        self.engine.set_codec(
            self.node,
            agreed.codec,
            payload_type=agreed.payload_type,
            digit_payload_type=agreed.digit_payload_type,
            digit_clock=agreed.digit_clock,
            packet_ms=agreed.packet_ms,
            comfort_noise=agreed.comfort_noise,
            receive_payload_type=agreed.receive_payload_type,
            receive_digit_payload_type=agreed.receive_digit_payload_type,
        )
        if agreed.family is not None:  # a held stream may name 0.0.0.0, which is nowhere to send to
            self.engine.set_remote(
                self.node, agreed.address, agreed.port, rtcp_mux=agreed.rtcp_mux, rtcp=agreed.rtcp
            )
        for source, gain in self._hears.items():
            self._set(source, gain)

    @property
    def hears(self) -> tuple[Node, ...]:
        """The sources that this leg hears."""
        return tuple(self._hears)

    def hear(self, source: Node, gain: float) -> None:
        """Let this leg hear ``source``; 0.0 takes it away. Once closed there is nothing left to set."""
        if self.closed:
            return
        if gain:
            self._hears[source] = gain
        elif self._hears.pop(source, None) is None:
            return
        self._set(source, gain)

    def _set(self, source: Node, gain: float) -> None:
        gain = 0.0 if self.held else gain
        with suppress(KeyError):  # the source was closed by its own side, and its column with it
            self.engine.set_gain(self.node, source, gain)
            if self._recorder is not None:
                self.engine.set_gain(self._recorder.right, source, gain)

    def record(self, path: Path, *, mask_tones: bool = False) -> None:
        """Write a stereo WAV: left this leg, right what it hears. Raises OSError when it cannot be created."""
        self._is_recorded(self.engine.open_recorder(str(path), mask_tones=mask_tones))

    def _is_recorded(self, recorder: OpenRecorder) -> None:
        self._nodes[recorder.left] = None
        self._recorder = recorder
        self.media.watch(recorder.left, self._on_event)
        self.engine.set_gain(recorder.left, self.node, 1.0)
        for source, gain in self._hears.items():
            self._set(source, gain)

    def keep_recording(self, other: Audio) -> None:
        """Let ``other`` be recorded in place of this leg, on in the same file. Harmless where nothing is recorded."""
        recorder, self._recorder = self._recorder, None
        if recorder is None:
            return
        del self._nodes[recorder.left]
        for side, sources in ((recorder.left, (self.node,)), (recorder.right, self.hears)):
            for source in sources:
                self.engine.set_gain(side, source, 0.0)
        other._is_recorded(recorder)

    def stop_recording(self) -> None:
        """The leg goes on without. Harmless where nothing is recorded."""
        if self._recorder is not None:
            self.release(self._recorder.left)

    def play(self, sound: Sound | AsyncIterable[Sound], *, loop: bool) -> Playing:
        """Begin to play; what was playing is cut off."""
        self.hush()
        self._playing = Playing(self, sound, loop=loop)
        return self._playing

    def hush(self) -> None:
        """Cut off what is being played."""
        if self._playing is not None:
            self._playing.cut()

    @contextmanager
    def tapped(self, fd: int) -> Iterator[None]:
        """Copy what this leg says to ``fd`` while inside."""
        tap = self.own(self.engine.open_tap(fd, piece_ms=TAP_MS))
        self._taps.add(tap)
        try:
            self.engine.set_gain(tap, self.node, 1.0)
            yield
        finally:
            self.release(tap)

    @property
    def tap_drops(self) -> int:
        """Pieces of ``TAP_MS`` of this leg that whoever listened to it was too slow to take."""
        return self._dropped + sum(map(self.engine.tap_drops, self._taps))

    @contextmanager
    def echoing(self) -> Iterator[None]:
        """Let this leg hear itself while inside."""
        self.hear(self.node, 1.0)
        try:
            yield
        finally:
            self.hear(self.node, 0.0)

    def own(self, node: Node) -> Node:
        """Remember ``node`` as one to be closed with this leg."""
        self._nodes[node] = None
        return node

    def release(self, node: Node) -> None:
        """Close one node, if the end of the leg has not already done so."""
        if node not in self._nodes:
            return
        del self._nodes[node]
        self._hears.pop(node, None)
        if self._recorder is not None and node == self._recorder.left:  # watched until its file is whole
            self.recorded, self._recorder = self.media.close_recorder(node), None
        else:
            self.media.unwatch(node)
            if node in self._taps:
                self._taps.discard(node)
                self._dropped += self.engine.tap_drops(node)
            self.engine.close_node(node)

    def close(self) -> None:
        """Close everything. Harmless when already closed."""
        if self.closed:
            return
        self.closed = True
        if self._playing is not None:
            self._playing.abandon()
        self._playing, self._on_event = None, _nothing  # they know us, or the leg whose audio we are
        for node in [*self._nodes]:
            self.release(node)


def _nothing(event: MediaEvent) -> None:
    """Nobody is to be told."""
