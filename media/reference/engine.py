"""The reference engine: a switch with sockets, a clock and one Python thread around it."""

from __future__ import annotations

import os
import random
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from media.engine import Codec, LegStats, MediaConfig, MediaEvent, Node, OpenLeg, OpenRecorder, SrtpKeys
from media.native import event_of, leg_stats
from media.reference.files import RecordingFile
from media.reference.ports import canonical, datagram_copy, family, open_ports
from media.reference.switch import Switch, check_tap
from media.reference.tap import Taken

_IDLE_SECONDS = 0.5
_IN_SOCKET = 8
"""Pieces that wait in a tap's socket; the rest waits in the tap."""


class ReferenceEngine:
    """Every command takes one lock and is done at once; the thread holds it for each packet and tick."""

    def __init__(self, config: MediaConfig) -> None:
        self._config = config
        self._switch = Switch(config.silence_after)
        self._switch.advance(time.monotonic_ns())
        self._lock = threading.RLock()
        self._events: list[MediaEvent] = []
        self._waiting = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake, selectors.EVENT_READ, None)
        self._sockets: dict[Node, tuple[socket.socket, socket.socket]] = {}
        self._muxed: dict[Node, bool] = {}
        self._taps: dict[Node, socket.socket] = {}
        self._files: dict[Node, RecordingFile] = {}
        self._thread: threading.Thread | None = None
        self._closed = self._stopping = False

    # -- life

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="reference media", daemon=True)
        self._thread.start()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = self._stopping = True
        os.eventfd_write(self._wake, 1)
        if self._thread is not None:
            self._thread.join()
        for node in [*self._switch]:
            if node in self._switch:  # a recorder's sides go together
                self.close_node(Node(node))
        self._selector.close()
        os.close(self._wake)
        os.close(self._waiting)

    def scheduling(self) -> str:
        return "normal"

    def fileno(self) -> int:
        return -1 if self._closed else self._waiting

    def drain(self) -> list[MediaEvent]:
        with self._lock:
            if not self._closed:
                self._clear(self._waiting)
            taken, self._events = self._events, []
            return taken

    # -- commands

    def open_leg(self, address: str) -> OpenLeg:
        self._refuse_when_closed()
        rtp, rtcp, port = open_ports(address, self._config.port_low, self._config.port_high)
        with self._changing() as switch:
            node = Node(switch.open_leg(*(random.getrandbits(bits) for bits in (32, 16, 32))))
            self._sockets[node] = rtp, rtcp
            for which, opened in enumerate((rtp, rtcp)):
                self._selector.register(opened, selectors.EVENT_READ, (node, which))
        return OpenLeg(node, port)

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
        with self._changing() as switch:
            switch.set_codec(leg, codec, payload_type, digits, digit_clock, packet_ms, comfort_noise, *heard)

    def set_srtp(self, leg: Node, keys: SrtpKeys | None) -> None:
        with self._changing() as switch:
            switch.set_srtp(leg, keys.suite if keys else "", keys.send if keys else b"", keys.receive if keys else b"")

    def set_remote(
        self, leg: Node, address: str, port: int, *, rtcp_mux: bool = False, rtcp: tuple[str, int] | None = None
    ) -> None:
        with self._changing() as switch:
            for there, _ in ((address, port), *([rtcp] if rtcp is not None else [])):
                self._refuse_other_family(leg, there)
            switch.set_remote(leg, address, port, rtcp_mux, rtcp)
            self._muxed[leg] = rtcp_mux

    def _refuse_other_family(self, leg: Node, there: str) -> None:
        """No socket leads from one family of addresses to the other."""
        bound = self._sockets[leg][0].family
        if family(canonical(there, 0)[0]) != bound:
            raise ValueError(f"a leg bound on {'IPv6' if bound == socket.AF_INET6 else 'IPv4'} cannot reach {there}")

    def set_gain(self, listener: Node, source: Node, gain: float) -> None:
        with self._changing() as switch:
            switch.set_gain(listener, source, gain)

    def open_player(self) -> Node:
        with self._changing() as switch:
            return Node(switch.open_player())

    def play(self, player: Node, pcm: bytes | memoryview, *, loop: bool = False) -> None:
        with self._changing() as switch:
            switch.play(player, pcm, loop)

    def finish(self, player: Node) -> None:
        with self._changing() as switch:
            switch.finish(player)

    def stop(self, player: Node) -> None:
        with self._changing() as switch:
            switch.stop(player)

    def open_recorder(self, path: str, *, mask_tones: bool = False) -> OpenRecorder:
        self._refuse_when_closed()
        file = RecordingFile(path)
        with self._changing() as switch:
            left, right = map(Node, switch.open_recorder(mask_tones))
            self._files[left] = file
        return OpenRecorder(left, right)

    def open_tap(self, fd: int, *, piece_ms: int = 20, rate: int = 8000) -> Node:
        self._refuse_when_closed()
        with self._changing() as switch:
            check_tap(piece_ms, rate)
            copy = datagram_copy(fd, send_buffer=_IN_SOCKET * piece_ms * rate // 1000 * 2)
            node = Node(switch.open_tap(piece_ms, rate))
            self._taps[node] = copy
        return node

    def close_node(self, node: Node) -> None:
        with self._lock:
            with self._changing() as switch:
                switch.close_node(node)
            if node in self._sockets:
                self._muxed.pop(node, None)
                for opened in self._sockets.pop(node):
                    self._selector.unregister(opened)
                    opened.close()
            elif node in self._taps:
                self._taps.pop(node).close()
            for left in [left for left in self._files if left not in self._switch]:
                self._tell(self._files.pop(left).close(left))

    def send_digit(self, leg: Node, key: str, duration_ms: int = 160) -> None:
        with self._changing() as switch:
            switch.send_digit(leg, key, duration_ms)

    def stats(self, leg: Node) -> LegStats:
        with self._changing() as switch:
            return leg_stats(switch.stats(leg))

    def open_nodes(self) -> int:
        with self._lock:
            return self._switch.open_nodes()

    def tap_drops(self, tap: Node) -> int:
        with self._lock:
            return self._switch.tap_drops(tap)

    # -- the thread

    def _run(self) -> None:
        written = 0.0
        while not self._stopping:
            with self._lock:
                deadline = self._switch.deadline()
            idle = _IDLE_SECONDS if deadline is None else (deadline - time.monotonic_ns()) / 1e9
            for key, _ in self._selector.select(min(max(idle, 0.0), _IDLE_SECONDS)):
                if key.data is None:
                    self._clear(self._wake)
                else:
                    self._receive(*key.data)
            with self._changing(wake=False):
                if time.monotonic() - written > _IDLE_SECONDS:
                    written = time.monotonic()
                    self._tell([event for left, file in self._files.items() for event in file.write(left)])

    def _receive(self, node: Node, which: int) -> None:
        """A packet on the leg's RTP socket (0), or a report on its RTCP socket (1)."""
        with self._lock:
            if node not in self._sockets:
                return  # closed since
            try:
                data, (address, port, *_) = self._sockets[node][which].recvfrom(2048)
            except BlockingIOError:
                return
            take = self._switch.report if which else self._switch.packet
            take(node, data, address, port, time.monotonic_ns())
            self._put_out()

    @contextmanager
    def _changing(self, *, wake: bool = True) -> Iterator[Switch]:
        """The switch, at the present time; afterwards what it put out is on its way."""
        with self._lock:
            self._switch.advance(time.monotonic_ns())
            yield self._switch
            self._put_out()
            if wake and not self._closed:
                os.eventfd_write(self._wake, 1)  # the thread's next deadline may be nearer now

    def _put_out(self) -> None:
        for leg, packet, address, port in self._switch.take_sent():
            with suppress(OSError):  # a full or unreachable network loses packets; so does this
                self._sockets[Node(leg)][0].sendto(packet, (address, port))
        for leg, report, address, port in self._switch.take_reports():
            node = Node(leg)
            with suppress(OSError):
                self._sockets[node][0 if self._muxed[node] else 1].sendto(report, (address, port))
        self._switch.hand_over(self._send_piece)
        for left, start, block in self._switch.take_recorded():
            self._files[Node(left)].add(start, block)
        self._tell([event_of(told) for told in self._switch.take_events()])

    def _send_piece(self, tap: int, datagram: bytes) -> Taken:
        try:
            self._taps[Node(tap)].send(datagram, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        except BlockingIOError:
            return Taken.LATER
        except OSError:
            return Taken.NEVER
        return Taken.YES

    def _tell(self, events: list[MediaEvent]) -> None:
        self._events += events
        if events and not self._closed:
            os.eventfd_write(self._waiting, 1)

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise RuntimeError("the media engine has been closed")

    @staticmethod
    def _clear(eventfd: int) -> None:
        with suppress(BlockingIOError):
            os.eventfd_read(eventfd)
