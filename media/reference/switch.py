"""The commands of the switch, and what it put out. ``media.reference.core`` is what it does."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from media._core import Srtp, ToneDigits
from media.engine import Codec
from media.reference.coders import coder, wide_ear
from media.reference.core import Core
from media.reference.digits import KEYS
from media.reference.levels import UNITY
from media.reference.node import Node
from media.reference.nodes import Leg, Player, Recorder, Side
from media.reference.ports import canonical
from media.reference.streams import SAMPLE_NS, Outgoing
from media.reference.tap import Taken, Tap
from media.reference.ticks import RECENT_NS, NodeType


def check_tap(piece_ms: int, rate: int) -> None:
    """Raise ValueError where a tap cannot make such pieces."""
    if rate not in (8000, 16000):
        raise ValueError("a tap's rate is 8000 or 16000 samples a second")
    if piece_ms not in (20, 40, 60, 80, 100):
        raise ValueError("a tap's pieces are 20, 40, 60, 80 or 100 ms")


def received_types(audio: int, digits: int, own_audio: int, own_digits: int) -> tuple[int, int]:
    """What is received by where ``audio`` and ``digits`` are what is sent by: our own where they are given. Raises
    ValueError."""
    received = audio if own_audio < 0 else own_audio, digits if own_digits < 0 else own_digits
    for for_audio, for_digits in ((audio, digits), received):
        if not 0 <= for_audio <= 127 or for_digits > 127:
            raise ValueError("an RTP payload type is 0…127")
        if for_audio == for_digits:
            raise ValueError("audio and telephone-event need different payload types")
    if digits < 0 <= own_digits:
        raise ValueError("telephone-event is received where it is sent too: give set_codec a digit_payload_type")
    return received


class Switch(Core):
    """Same methods as ``media._core.Switch``: numbers for nodes, tuples for what comes out, nanoseconds for time.

    Unknown or closed nodes raise KeyError, values out of range ValueError.
    """

    def open_leg(self, ssrc: int, sequence: int, timestamp: int) -> int:
        """The numbers are what the leg's outgoing stream begins with."""
        return self._add(Leg(self._next_id(), out=Outgoing(ssrc, sequence, timestamp))).id

    def open_player(self) -> int:
        return self._add(Player(self._next_id())).id

    def open_tap(self, piece_ms: int = 20, rate: int = 8000) -> int:
        check_tap(piece_ms, rate)
        return self._add(Tap(self._next_id(), piece_ms=piece_ms, scale=rate // 8000)).id

    def open_recorder(self, mask_tones: bool = False) -> tuple[int, int]:
        recorder = Recorder(self._next_id(), self._next_id(), self._now // SAMPLE_NS, mask_tones=mask_tones)
        return self._add(recorder.left).id, self._add(recorder.right).id

    def set_codec(
        self,
        leg: int,
        codec: int,
        payload_type: int,
        digit_payload_type: int,
        digit_clock: int = 8000,
        packet_ms: int = 20,
        comfort_noise: bool = False,
        receive_payload_type: int = -1,
        receive_digit_payload_type: int = -1,
    ) -> None:
        """``digit_payload_type`` -1: no telephone-events; of those for receiving: the same as for sending."""
        found = self._find(leg, Leg)
        if codec not in [*Codec]:
            raise ValueError(f"codec must be {', '.join(f'{known.name} ({known})' for known in Codec)}")
        received = received_types(payload_type, digit_payload_type, receive_payload_type, receive_digit_payload_type)
        wanted = Codec(codec)
        if digit_clock not in (8000, wanted.clock_rate):
            raise ValueError("telephone-event runs at 8000 Hz or at the clock of the codec")
        if not wanted.packs(packet_ms):
            raise ValueError("a packet holds 10, 20, 30, 40 or 60 ms; OPUS not 30, L16_WIDE at most 40")
        if wanted is not found.codec:  # a codec that stays keeps its state: a hold must not be heard as a click
            found.coder, found.wide = coder(wanted), wide_ear(wanted)
        found.codec, found.payload_type, found.digit_payload_type = wanted, payload_type, digit_payload_type
        found.received_type, found.received_digit_type = received
        found.digit_ratio, found.packet_samples = digit_clock // 8000, packet_ms * 8
        if digit_payload_type >= 0:
            found.tones = None  # no key is heard twice
        elif found.tones is None:
            found.tones = ToneDigits()
        found.comfort_noise = comfort_noise
        found.out.ratio = wanted.clock_rate // 8000
        self._wake_with_sources(found)
        self._wake_listeners(found)

    def set_srtp(self, leg: int, suite: str, send: bytes, receive: bytes) -> None:
        """An empty suite is plain RTP. A direction whose key stays goes on undisturbed."""
        found = self._find(leg, Leg)
        used, sends, receives = found.keys
        made = (Srtp(suite, send, found.out.ssrc), Srtp(suite, receive)) if suite else (None, None)
        if (suite, send) != (used, sends):
            found.protect = made[0]
        if (suite, receive) != (used, receives):
            found.unprotect = made[1]
        found.keys = suite, send, receive

    def set_remote(
        self, leg: int, address: str, port: int, rtcp_mux: bool = False, rtcp: tuple[str, int] | None = None
    ) -> None:
        found, there = self._find(leg, Leg), canonical(address, port)
        reports = canonical(*rtcp) if rtcp is not None else None
        found.reports.signal(rtcp_mux, reports, moved=there != found.origin.signalled)
        found.probation.settle()
        found.origin.signal(there, self._now)
        if found.reports.due < 0:
            found.reports.due = found.reports.clock.next(self._now)

    def set_gain(self, listener: int, source: int, gain: float) -> None:
        hears, sounds = self._find(listener, Node), self._find(source, Node)
        if isinstance(hears, Player):
            raise ValueError(f"node {listener} cannot hear: it is a player")
        if not isinstance(sounds, Leg | Player):
            raise ValueError(f"node {source} makes no sound")
        if not 0 <= gain <= 16:
            raise ValueError("a gain is 0…16")
        level = math.floor(gain * UNITY + 0.5)
        self._table.set(hears, sounds, level, self._now, before=self._faded_from(hears, sounds, level))
        # Whom the listener heard in a mix until now is brought to the relay's level by the first packet of that.
        if not isinstance(hears, Side) and not (isinstance(hears, Leg) and hears.out.mixing):
            self._table.settle(hears)
        self._wake_with_sources(hears)

    def _faded_from(self, listener: Node, source: Node, gain: int) -> int:
        """The gain from which the next frame goes to the new one. A hard change of what sounds would be a click, also
        where somebody joins in the middle of a word; what sounds only later is heard whole."""
        known = self._table.cell(listener, source)
        if known is None:
            return 0 if self._sounds(source) else gain
        _, before = known
        if isinstance(listener, Side):
            return before if self._sounds(source) else gain
        if gain and self._table.direct(listener) is source:
            return before
        return before if self._table.mixes(listener) and self._audible(source, self._now) else gain

    def _sounds(self, source: Node) -> bool:
        """Is it in the middle of something?"""
        if isinstance(source, Leg):
            return bool(source.last_packet) and self._now - source.last_packet < RECENT_NS
        return self._audible(source, self._now)

    def play(self, player: int, pcm: bytes | memoryview, loop: bool) -> None:
        if not memoryview(pcm).readonly:
            raise ValueError("samples that may still change cannot be played: bytes can, or a read-only memoryview")
        if len(pcm) % 2:
            raise ValueError(f"16-bit PCM needs an even number of bytes, not {len(pcm)}")
        found = self._find(player, Player)
        found.queue.append((np.frombuffer(pcm, np.int16), loop and bool(pcm)))
        found.running = True
        self._wake_listeners(found)
        self._wake(found)

    def finish(self, player: int) -> None:
        found = self._find(player, Player)
        found.finishing = True
        if not found.running:
            self._end_run(found)

    def stop(self, player: int) -> None:
        found = self._find(player, Player)
        rest = found.fade() if found.running and self._audible(found, self._now) else 0
        found.heard += rest if self._table.reaches(found) else 0
        found.unsent = 0
        found.queue.clear()
        found.played = 0
        self._end_run(found)

    def send_digit(self, leg: int, key: str, duration_ms: int) -> None:
        found = self._find(leg, Leg)
        if len(key) != 1 or key not in KEYS:
            raise ValueError(f"{key!r} is no key; keys are 0-9 * # A-D")
        if not 40 <= duration_ms <= 8000:
            raise ValueError("a key is pressed for 40…8000 ms")
        if found.digit_payload_type < 0:
            raise ValueError("the far end did not agree to telephone-event: give set_codec a digit_payload_type")
        self._queue_digit(found, key, duration_ms * 8)

    def close_node(self, node: int) -> None:
        found = self._find(node, Node)
        if isinstance(found, Side):
            recorder = found.recorder
            self._remove(recorder.left)
            self._remove(recorder.right)
            self._recorded += [(recorder.left.id, *block) for block in recorder.commit_rest(self._now // SAMPLE_NS)]
        else:
            if isinstance(found, Tap):
                self._closed_taps.append(found)
            if isinstance(found, Leg) and found.reports.written + found.packets_out:  # RFC 3550 section 6.3.7
                self._send_report(found, bye=True)
            self._remove(found)

    def _remove(self, node: Node) -> None:
        listeners = [listener for listener, _ in self._table.column(node) if listener is not node]
        self._table.clear(node)
        self._ticking.pop(node, None)
        del self._nodes[node.id]
        for listener in listeners:
            self._wake(listener)

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _add(self, node: NodeType) -> NodeType:
        self._nodes[node.id] = node
        return node

    # -- what came out

    def stats(self, leg: int) -> tuple[Any, ...]:
        """The fields of ``media.engine.LegStats``; the last are those of its ``FarSide``."""
        found = self._find(leg, Leg)
        reports, refusals, origin = found.reports, found.refusals, found.origin
        age = (self._now - found.last_packet) / 1e6 if found.packets_in else -1.0
        jitter = found.incoming.jitter / 16 / 8
        counted = (found.packets_in, found.packets_out, found.strangers, found.malformed, found.incoming.lost)
        refused = (refusals.unprotected, found.probation.refused, refusals.foreign, refusals.last_type)
        far = (
            reports.received,
            reports.written,
            reports.strangers + reports.malformed,
            reports.heard,
            reports.far_packets,
            reports.far_expected,
            reports.far_lost,
            reports.far_jitter_us / 1000,
            -1.0 if reports.round_trip_us < 0 else reports.round_trip_us / 1000,
            reports.left,
        )
        whence = (origin.signalled, origin.remote, refusals.stranger)
        return *counted, jitter, age, *refused, int(found.codec), *whence, far

    def open_nodes(self) -> int:
        return len(self._nodes)

    def take_sent(self) -> list[tuple[int, bytes, str, int]]:
        """(leg, packet, address, port)"""
        taken, self._sent = self._sent, []
        return taken

    def take_reports(self) -> list[tuple[int, bytes, str, int]]:
        """(leg, compound RTCP packet, address, port)"""
        taken, self._reports = self._reports, []
        return taken

    def hand_over(self, take: Callable[[int, bytes], Taken]) -> None:
        """Offer each tap's pieces to ``take`` with the number of the tap, until it says ``LATER``."""
        taps = [*self._closed_taps, *(node for node in self._nodes.values() if isinstance(node, Tap))]
        self._closed_taps.clear()
        for tap in taps:
            tap.pieces.hand_over(partial(take, tap.id))

    def take_tapped(self) -> list[tuple[int, bytes]]:
        """(tap, datagram of a piece)"""
        taken: list[tuple[int, bytes]] = []

        def take(tap: int, datagram: bytes) -> Taken:
            taken.append((tap, datagram))
            return Taken.YES

        self.hand_over(take)
        return taken

    def tap_drops(self, tap: int) -> int:
        """How many pieces nobody took in time."""
        return self._find(tap, Tap).pieces.dropped

    def take_recorded(self) -> list[tuple[int, int, bytes]]:
        """(left side, where it begins in samples, both channels interleaved)"""
        taken, self._recorded = self._recorded, []
        return taken

    def take_events(self) -> list[tuple[Any, ...]]:
        """(class name in ``media.engine``, node, values…)"""
        taken, self._events = self._events, []
        return taken
