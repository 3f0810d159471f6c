"""The native engine with the face of ``media.engine.MediaEngine``. The work is done in ``media/core``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from media import _core
from media.engine import (
    Codec,
    DigitPressed,
    FarSide,
    FirstPacket,
    LegStats,
    MediaConfig,
    MediaEvent,
    Node,
    OpenLeg,
    OpenRecorder,
    PlayFinished,
    RecorderClosed,
    RecorderResumed,
    RecorderTrouble,
    RtpSilence,
    SrtpKeys,
)

_EVENTS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        DigitPressed, PlayFinished, FirstPacket, RtpSilence, RecorderTrouble, RecorderResumed, RecorderClosed,
    )
}


def event_of(told: tuple[Any, ...]) -> MediaEvent:
    """The event that the core tells as ``(class name, node, values…)``."""
    kind, *values = told
    return cast(MediaEvent, _EVENTS[kind](*values))


def leg_stats(told: tuple[Any, ...]) -> LegStats:
    """What the core tells of a leg, field by field; the far side last."""
    *counted, codec, announced, source, stranger, far = told
    fields = (*counted, Codec(codec), announced, source, stranger, FarSide(*far))
    return LegStats(*fields)


@dataclass(frozen=True, slots=True)
class RelayLatency:
    """How long relayed packets stayed in the engine, from its waking up for them to having sent them on."""

    max_us: float
    counts: tuple[int, ...]
    """``counts[0]`` took less than 1 µs, ``counts[n]`` from 2^(n-1) up to 2^n µs."""


class NativeEngine:
    """Sockets, clock and mixing in C++ threads that never hold the GIL."""

    def __init__(self, config: MediaConfig) -> None:
        if not 1 <= config.threads <= 64:
            raise ValueError(f"media threads: {config.threads} is not possible; 1…64 are")
        self._core = _core.Engine(
            config.port_low, config.port_high, config.threads, config.realtime, config.silence_after
        )

    def start(self) -> None:
        self._core.start()

    def close(self) -> None:
        self._core.close()

    def scheduling(self) -> str:
        return self._core.scheduling()

    def fileno(self) -> int:
        return self._core.fileno()

    def drain(self) -> list[MediaEvent]:
        return [event_of(told) for told in self._core.drain()]

    def open_leg(self, address: str) -> OpenLeg:
        node, port = self._core.open_leg(address)
        return OpenLeg(Node(node), port)

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
        digits = -1 if digit_payload_type is None else digit_payload_type
        heard = [-1 if number is None else number for number in (receive_payload_type, receive_digit_payload_type)]
        self._core.set_codec(leg, codec, payload_type, digits, digit_clock, packet_ms, comfort_noise, *heard)

    def set_srtp(self, leg: Node, keys: SrtpKeys | None) -> None:
        self._core.set_srtp(leg, keys.suite if keys else "", keys.send if keys else b"", keys.receive if keys else b"")

    def set_remote(
        self, leg: Node, address: str, port: int, *, rtcp_mux: bool = False, rtcp: tuple[str, int] | None = None
    ) -> None:
        self._core.set_remote(leg, address, port, rtcp_mux, rtcp)

    def set_gain(self, listener: Node, source: Node, gain: float) -> None:
        self._core.set_gain(listener, source, gain)

    def open_player(self) -> Node:
        return Node(self._core.open_player())

    def play(self, player: Node, pcm: bytes | memoryview, *, loop: bool = False) -> None:
        self._core.play(player, pcm, loop)

    def finish(self, player: Node) -> None:
        self._core.finish(player)

    def stop(self, player: Node) -> None:
        self._core.stop(player)

    def open_recorder(self, path: str, *, mask_tones: bool = False) -> OpenRecorder:
        left, right = self._core.open_recorder(path, mask_tones)
        return OpenRecorder(Node(left), Node(right))

    def open_tap(self, fd: int, *, piece_ms: int = 20, rate: int = 8000) -> Node:
        return Node(self._core.open_tap(fd, piece_ms, rate))

    def close_node(self, node: Node) -> None:
        self._core.close_node(node)

    def send_digit(self, leg: Node, key: str, duration_ms: int = 160) -> None:
        self._core.send_digit(leg, key, duration_ms)

    def stats(self, leg: Node) -> LegStats:
        return leg_stats(self._core.stats(leg))

    def open_nodes(self) -> int:
        return self._core.open_nodes()

    def tap_drops(self, tap: Node) -> int:
        """How many pieces the tap's reader was too slow to take."""
        return self._core.tap_drops(tap)

    def thread(self, node: Node) -> int:
        """The number of the media thread that a node lives on, from 0."""
        return self._core.thread(node)

    def events_lost(self) -> int:
        """How many events found no room because nobody called ``drain``."""
        return self._core.events_lost()

    def relay_latency(self) -> RelayLatency:
        """Since the engine was started."""
        report = cast(dict[str, Any], self._core.relay_latency())
        return RelayLatency(report["max_us"], tuple(report["counts"]))
