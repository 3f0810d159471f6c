"""What happens every 20 ms, and who takes part: the readable engine's clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from media.reference.digits import KEYS, Press
from media.reference.levels import Samples, ramped, saturate
from media.reference.node import Node
from media.reference.nodes import Leg, Player, Recorder, Side
from media.reference.reports import STEP_NS
from media.reference.rtp import LONGEST_EVENT, Packet, TelephoneEvent
from media.reference.streams import FRAME, FRAME_NS, SAMPLE_NS
from media.reference.table import Table
from media.reference.tap import Tap

GROUPS = 20
SLOT_NS = 1_000_000
PRESS = 1280
"""Samples: how long a press of our own is, for want of anything better."""
RECENT_NS = 100_000_000
"""Packets that come further apart are not one sound."""
NodeType = TypeVar("NodeType", bound=Node)


class Ticks:
    """Time, and what it does. ``media.reference.core`` adds the packets."""

    def __init__(self, silence_after: float = 10.0) -> None:
        self._silence_after = round(silence_after * 1e9)
        self._now = self._slot = self._last_id = 0
        self._nodes: dict[int, Node] = {}
        self._table = Table()
        self._ticking: dict[Node, int] = {}
        self._sent: list[tuple[int, bytes, str, int]] = []
        self._closed_taps: list[Tap] = []
        """What waits in them is offered once more."""
        self._recorded: list[tuple[int, int, bytes]] = []
        self._events: list[tuple[Any, ...]] = []
        self._reports: list[tuple[int, bytes, str, int]] = []

    # -- time

    def advance(self, now_ns: int) -> None:
        """Run every tick that is due; commands and packets that follow happen at ``now_ns``."""
        due = now_ns // SLOT_NS
        self._slot = max(self._slot, due - 200)  # after a long halt the past is not played back
        while self._slot < due:
            self._slot += 1
            self._now = max(self._now, self._slot * SLOT_NS)
            self._tick(self._slot % GROUPS, self._slot * SLOT_NS)
            if self._slot % 100 == 0:
                self._fill_silence()
            if self._slot % 500 == 0:
                self._check_silence()
                self._check_recorders()
        self._now = max(self._now, now_ns)
        self._send_reports()

    def deadline(self) -> int | None:
        """When ``advance`` must be called next."""
        slots = [self._slot + 1 + (group - self._slot - 1) % GROUPS for group in self._ticking.values()]
        if any(isinstance(node, Leg | Side) for node in self._nodes.values()):
            slots.append(self._slot + 500 - self._slot % 500)
        if any(isinstance(node, Leg) for node in self._nodes.values()):
            slots.append(self._slot + 100 - self._slot % 100)
        return min(slots) * SLOT_NS if slots else None

    def _send_reports(self) -> None:
        for leg in self._nodes.values():
            if isinstance(leg, Leg) and 0 <= leg.reports.due <= self._now // STEP_NS:
                self._send_report(leg, bye=False)
                leg.reports.due = leg.reports.clock.next(self._now)

    def _send_report(self, leg: Leg, *, bye: bool) -> None:
        if leg.origin.remote is None:
            return
        sent, ratio = (leg.packets_out, leg.octets_out), leg.codec.clock_rate // 8000
        data: bytes | None = leg.reports.write(leg.out, leg.incoming, sent, ratio, self._now, bye=bye)
        if leg.protect is not None and data is not None:
            data = leg.protect.protect_rtcp(data)
        if data is not None:
            self._reports.append((leg.id, data, *leg.reports.destination(leg.origin.remote)))

    def _fill_silence(self) -> None:
        """What far ends do not send of their silence, for those who cannot do without: recognisers and recordings."""
        now = self._now // SAMPLE_NS
        # The newest first, as in the native switch: where a sum saturates, the order is heard.
        for leg in [node for node in reversed(self._nodes.values()) if isinstance(node, Leg)]:
            if not leg.last_packet or self._now - leg.last_packet < 2 * FRAME_NS:
                continue
            for tap, _ in self._table.column(leg):
                if isinstance(tap, Tap) and self._table.direct(tap) is leg:
                    tap.wait((leg.id, leg.incoming.epoch), leg.noise, now)
            while leg.noise.on and leg.silent_from + FRAME <= now:
                self._record(leg, leg.silent_from, leg.recorded_noise.samples())
                leg.silent_from += FRAME

    def _check_silence(self) -> None:
        for leg in self._nodes.values():
            if not isinstance(leg, Leg) or leg.silence_said or leg.origin.remote is None:
                continue
            silent = self._now - max(leg.last_packet, leg.origin.since)
            if silent >= self._silence_after:
                leg.silence_said = True
                self._events.append(("RtpSilence", leg.id, silent // 1_000_000 / 1000))

    def _check_recorders(self) -> None:
        """Where nothing is heard, nothing else moves a recording on."""
        for side in self._nodes.values():
            if isinstance(side, Side) and side.channel == 0:
                self._commit(side.recorder)

    def _send(self, leg: Leg, packet: Packet, payload: bytes, content: str = "audio") -> None:
        types = {"audio": leg.payload_type, "event": leg.digit_payload_type, "comfort noise": 13}
        payload_type = types[content]
        ready = Packet(payload_type, packet.sequence, packet.timestamp, packet.ssrc, payload, packet.marker)
        assert leg.origin.remote is not None
        data: bytes | None = bytes(ready)
        if leg.protect is not None:
            data = leg.protect.protect(bytes(ready))
        if data is not None:
            leg.packets_out += 1
            leg.octets_out += len(payload)
            self._sent.append((leg.id, data, *leg.origin.remote))

    def _commit(self, recorder: Recorder) -> None:
        self._recorded += [(recorder.left.id, *block) for block in recorder.commit(self._now // SAMPLE_NS)]

    def _record(self, source: Node, at: int, samples: Samples) -> None:
        """A recording moves on with what is added to it, and needs no ticks."""
        for side, since in self._table.recorded(source):
            self._commit(side.recorder)
            before, gain = self._table.take_ramp(side, source)
            if self._now - since >= RECENT_NS:
                before = gain
            side.recorder.add(side.channel, at, ramped(samples, before, gain))
            self._table.drop_faded(side, source)

    # -- ticks

    def _tick(self, group: int, now: int) -> None:
        """First everybody who sounds makes a frame, then everybody who hears takes what there is."""
        # The newest first, as in the native switch: where a recording's sum saturates, the order is heard.
        here = [node for node, theirs in reversed(self._ticking.items()) if theirs == group]
        for node in here:
            self._produce(node, now)
        for node in here:
            self._consume(node, now)
        for node in here:
            self._table.drop_faded(node)
        for node in here:
            if isinstance(node, Leg):
                node.feeding = self._table.mixed(node)
                if not self._table.mixes(node):
                    self._send_rest(node, now)
            if not self._wants_ticks(node):
                del self._ticking[node]
                node.frame = None

    def _produce(self, node: Node, now: int) -> None:
        if isinstance(node, Leg) and node.feeding:
            node.frame, node.framed_at = node.jitter.read(now // SAMPLE_NS), now
            if node.frame is None and node.noise.on:
                node.frame = node.noise.samples()
        elif isinstance(node, Player) and node.sounding:
            if node.finishing and not node.queue:  # its last frame has been heard by now
                self._end_run(node)
                return
            real = node.read()
            frame = node.add_tail(np.pad(real, (0, FRAME - len(real))))
            node.frame, node.framed_at = (frame if len(real) or len(node.tail) else None), now
            if node.frame is not None:
                self._record(node, now // SAMPLE_NS, node.frame)
            node.unsent = len(real)

    def _consume(self, node: Node, now: int) -> None:
        if isinstance(node, Leg):
            self._send_digits(node, now)
            if node.origin.remote is not None and self._table.mixes(node):
                self._send_mix(node, now)
        elif isinstance(node, Tap) and self._table.mixes(node):
            mix = self._mix(node, now)
            node.hear_mix(np.zeros(FRAME, np.int16) if mix is None else mix)

    def _send_mix(self, leg: Leg, now: int) -> None:
        mix = self._mix(leg, now)
        if mix is None:
            self._send_rest(leg, now)
            return
        for samples, fresh in leg.packing.add(mix, now, leg.packet_samples):
            self._send_samples(leg, now, samples, fresh)

    def _send_rest(self, leg: Leg, now: int) -> None:
        """The end of a mix seldom fills a packet: that one is shorter. Behind what has been relayed since it would be
        out of place."""
        for samples, fresh in leg.packing.end():
            if not leg.out.relaying:
                self._send_samples(leg, now, samples, fresh)

    def _send_samples(self, leg: Leg, now: int, samples: Samples, fresh: bool) -> None:
        payload = leg.coder.encode(samples)
        self._send(leg, leg.out.frame(payload, now, len(samples), fresh), payload)

    def _mix(self, listener: Node, now: int) -> Samples | None:
        """The saturated sum of the frames made in this tick, or less than one frame ago in another group's; None where
        nobody sounds."""
        frames = []
        for source, _ in self._table.row(listener):
            before, gain = self._table.take_ramp(listener, source)
            if self._audible(source, now) and source.frame is not None:
                frames.append(ramped(source.frame, before, gain))
                if isinstance(listener, Leg) and isinstance(source, Player):
                    source.sent()
        return saturate(np.sum(frames, axis=0, dtype=np.int32)) if frames else None

    @staticmethod
    def _audible(source: Node, now: int) -> bool:
        """A frame is taken once by each listener, in the same tick or less than one frame later."""
        return source.frame is not None and now - source.framed_at < FRAME_NS

    def _send_digits(self, leg: Leg, now: int) -> None:
        if not leg.digits_out:
            return
        pressed = leg.digits_out[0]
        step = pressed.steps.popleft()
        if not pressed.steps:
            leg.digits_out.popleft()
        if step is None or leg.origin.remote is None or leg.digit_payload_type < 0:
            return
        whole = step.duration * leg.digit_ratio
        while whole - pressed.segmented > LONGEST_EVENT:
            self._send_event(leg, leg.out.event(False, now), bytes(TelephoneEvent(step.code, False, LONGEST_EVENT)))
            leg.out.next_segment(LONGEST_EVENT)
            pressed.segmented += LONGEST_EVENT
        first, pressed.begun = not pressed.begun, True
        told = TelephoneEvent(step.code, step.end, whole - pressed.segmented)
        self._send_event(leg, leg.out.event(first, now), bytes(told))

    def _send_event(self, leg: Leg, numbered: Packet, payload: bytes) -> None:
        self._send(leg, numbered, payload, "event")

    def _take_over(self, listener: Leg) -> None:
        """Who hears the other no longer by relay would hear no end of the press that is being passed on: it becomes our
        own."""
        press, direct = listener.passing, self._table.direct(listener)
        if press is None or press.over or (direct is not None and direct.id == press.source):
            return
        listener.passing = replace(press, over=True)
        if self._now - press.since >= RECENT_NS:  # its end was lost
            return
        listener.taken_over.receive(press.newest)
        if not listener.digits_out:
            code = press.newest.payload[0]
            listener.digits_out.append(Press(code, max(press.sounded, PRESS), press.sounded))
            listener.out.resume_event(press.timestamp)

    def _queue_digit(self, leg: Leg, key: str, duration: int) -> None:
        if len(leg.digits_out) < 64:
            leg.digits_out.append(Press(KEYS.index(key), duration))
        self._wake(leg)

    def _end_run(self, player: Player) -> None:
        self._events.append(("PlayFinished", player.id, player.heard))
        player.running = player.finishing = False
        player.frame, player.heard = (player.frame if len(player.tail) else None), 0

    # -- who takes part in ticks

    def _wants_ticks(self, node: Node) -> bool:
        match node:
            case Leg():
                return bool(node.digits_out) or self._table.mixes(node) or self._table.mixed(node)
            case Player():
                return node.sounding
        return self._table.mixes(node)

    def _wake(self, node: Node) -> None:
        """A source joins the group of that listener who is due first: its frame is heard in the tick that made it, and
        nobody who begins with it has a first frame without it. Everybody else joins the group that is due next: nothing
        begins later than a millisecond from now."""
        if isinstance(node, Leg):
            self._take_over(node)
        if isinstance(node, Leg) and not node.feeding and self._table.mixed(node):
            node.feeding = True
            node.jitter.start(self._now // SAMPLE_NS)
        if node in self._ticking or not self._wants_ticks(node):
            return
        next_due = self._slot + 1
        theirs = [self._ticking[hears] for hears, _ in self._table.column(node) if hears in self._ticking]
        self._ticking[node] = (next_due + min(((group - next_due) % GROUPS for group in theirs), default=0)) % GROUPS

    def _wake_with_sources(self, listener: Node) -> None:
        self._wake(listener)
        for source, _ in self._table.row(listener):
            self._wake(source)

    def _wake_listeners(self, source: Node) -> None:
        """All who hear it have their places before any source looks for one among them."""
        listeners = [listener for listener, _ in self._table.column(source)]
        for listener in listeners:
            self._wake(listener)
        for listener in listeners:
            self._wake_with_sources(listener)

    def __iter__(self) -> Iterator[int]:
        return iter(self._nodes)

    def __contains__(self, node: int) -> bool:
        return node in self._nodes

    def _find(self, node: int, kind: type[NodeType]) -> NodeType:
        found = self._nodes.get(node)
        if not isinstance(found, kind):
            raise KeyError(f"no such open node: {node}")
        return found
