"""The media switch without I/O: packets, commands and the time go in; packets, events, taps and recordings come out.

Two ways for sound to get through:

- *relayed*: a leg whose only source is one other leg, at gain 1.0, gets each packet as it arrives, renumbered;
- *mixed*: everybody else gets one frame every 20 ms, the sum of what the sources sound. Ticks are spread over 20
  groups, 1 ms apart, so that they do not all fall into one burst.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np

from media.engine import Codec
from media.reference.coders import coder, ticks
from media.reference.nodes import (
    JitterBuffer,
    Leg,
    Node,
    Player,
    Recorder,
    Samples,
    Side,
    Tap,
    ramped,
    saturate,
    scaled,
)
from media.reference.rtp import Packet, TelephoneEvent
from media.reference.streams import FRAME, FRAME_NS, KEYS, SAMPLE_NS, Order, Press
from media.reference.table import Table

GROUPS = 20
SLOT_NS = 1_000_000
NodeType = TypeVar("NodeType", bound=Node)


class Core:
    """What happens to packets and in ticks. ``media.reference.switch`` adds the commands."""

    def __init__(self, silence_after: float = 10.0) -> None:
        self._silence_after = round(silence_after * 1e9)
        self._now = self._slot = self._last_id = 0
        self._nodes: dict[int, Node] = {}
        self._table = Table()
        self._ticking: dict[Node, int] = {}
        self._sent: list[tuple[int, bytes, str, int]] = []
        self._tapped: list[tuple[int, bytes]] = []
        self._recorded: list[tuple[int, int, bytes]] = []
        self._events: list[tuple[Any, ...]] = []

    # -- time

    def advance(self, now_ns: int) -> None:
        """Run every tick that is due; commands and packets that follow happen at ``now_ns``."""
        due = now_ns // SLOT_NS
        self._slot = max(self._slot, due - 200)  # after a long halt the past is not played back
        while self._slot < due:
            self._slot += 1
            self._now = max(self._now, self._slot * SLOT_NS)
            self._tick(self._slot % GROUPS, self._slot * SLOT_NS)
            if self._slot % 500 == 0:
                self._check_silence()
                self._check_recorders()
        self._now = max(self._now, now_ns)

    def deadline(self) -> int | None:
        """When ``advance`` must be called next."""
        slots = [self._slot + 1 + (group - self._slot - 1) % GROUPS for group in self._ticking.values()]
        if any(isinstance(node, Leg | Side) for node in self._nodes.values()):
            slots.append(self._slot + 500 - self._slot % 500)
        return min(slots) * SLOT_NS if slots else None

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

    # -- packets

    def packet(self, leg: int, data: bytes, address: str, port: int, now_ns: int) -> None:
        """One datagram arrived."""
        self._now = max(self._now, now_ns)
        source = self._find(leg, Leg)
        if source.unprotect is not None:
            opened = source.unprotect.unprotect(data)
            if opened is None:
                source.strangers += 1
                return
            data = opened
        packet = Packet.parse(data)
        content = None if packet is None else source.understand(packet)
        if packet is None or content is None:
            source.malformed += 1
            return
        if not source.origin.admit((address, port), now_ns):
            source.strangers += 1
            return
        epoch = source.incoming.epoch
        order = source.incoming.receive(packet)
        if order is Order.REFUSED:
            return
        if epoch != source.incoming.epoch:
            source.timeline.forget()
            if source.jitter is not None:
                source.jitter.forget_timing()
        source.packets_in += 1
        source.last_packet, source.silence_said = now_ns, False
        self._relay(source, packet, content)  # before anything else: nobody waits for our bookkeeping
        if source.packets_in == 1:
            self._events.append(("FirstPacket", source.id, address, port))
        if content == "event":
            self._digit(source, packet)
        elif content == "comfort noise":
            source.noise.begin(packet.payload)
        else:
            assert isinstance(content, Codec)
            source.noise.on = False
            self._distribute(source, packet, content, order)

    def _relay(self, source: Leg, packet: Packet, content: Codec | str) -> None:
        feed = (source.id, source.incoming.epoch)
        for listener, _ in self._table.column(source):
            if not isinstance(listener, Leg) or self._table.direct(listener) is not source:
                continue
            if listener.origin.remote is None:
                continue
            event = content == "event"
            noise = content == "comfort noise"
            if (noise and not listener.comfort_noise) or (event and listener.digit_payload_type < 0):
                listener.out.skip(feed, packet)
                continue
            heard = self._event_ticks(source, packet) if event else 0
            length = ticks(content, packet.payload) if isinstance(content, Codec) else 0
            renumbered = listener.out.relay(feed, packet, heard, length, self._now)
            if renumbered is None:
                continue
            payload = packet.payload
            if event:
                payload = TelephoneEvent.convert(payload, source.digit_ratio, listener.digit_ratio)
            elif isinstance(content, Codec) and content is not listener.codec:
                payload = coder(listener.codec).encode(coder(content).decode(payload))  # both G.711
            self._send(listener, renumbered, payload, content if isinstance(content, str) else "audio")

    @staticmethod
    def _event_ticks(leg: Leg, packet: Packet) -> int:
        """How much of an event's sound lies behind its timestamp, in ticks of the audio's clock."""
        return TelephoneEvent.parse(packet.payload).duration * (leg.codec.clock_rate // 8000 // leg.digit_ratio)

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
            self._sent.append((leg.id, data, *leg.origin.remote))

    def _digit(self, source: Leg, packet: Packet) -> None:
        key = source.digits_in.receive(packet)
        if key is None:
            return
        self._events.append(("DigitPressed", source.id, key))
        # A relay has passed the packets on already; a mix carries no events, so its listeners get their own press.
        for listener, _ in self._table.column(source):
            if isinstance(listener, Leg) and self._table.mixes(listener) and listener.digit_payload_type >= 0:
                self._queue_digit(listener, key, 1280)

    def _distribute(self, source: Leg, packet: Packet, codec: Codec, order: Order) -> None:
        if order is Order.LATE and not source.coder.takes_late():
            return
        timestamp = source.clock.samples(packet.timestamp, codec.clock_rate // 8000)
        if order is Order.NEWEST:
            source.incoming.time(timestamp, self._now // SAMPLE_NS)
        if order is Order.NEWEST and source.incoming.missing and codec is source.codec:
            recovered = source.coder.recover(packet.payload)
            self._sound(source, timestamp - len(recovered), recovered, order)
        samples = (source.coder if codec is source.codec else coder(codec)).decode(packet.payload)
        if not len(samples):
            source.malformed += 1
        self._sound(source, timestamp, samples, order)

    def _sound(self, source: Leg, timestamp: int, samples: Samples, order: Order) -> None:
        """Samples of a leg, and where they belong on its sender's clock, for all who do not get them by relay."""
        if not len(samples):
            return
        arrival = self._now // SAMPLE_NS
        if source.jitter is not None:
            source.jitter.write(timestamp, arrival, samples)
        place = source.timeline.place(timestamp, arrival)
        if place is not None:
            self._record(source, place, samples)
        if order is not Order.NEWEST:
            return  # a recogniser cannot go back
        if source.tones is not None:
            lost = source.incoming.missing > 0
            keys = source.tones.hear(timestamp & 0xFFFFFFFF, lost, samples.tobytes())
            self._events += [("DigitPressed", source.id, key, True) for key in keys]
        for tap, gain in self._table.column(source):
            if isinstance(tap, Tap) and self._table.direct(tap) is source:
                self._tapped += [(tap.id, piece) for piece in tap.push(saturate(scaled(samples, gain)))]

    def _commit(self, recorder: Recorder) -> None:
        self._recorded += [(recorder.left.id, *block) for block in recorder.commit(self._now // SAMPLE_NS)]

    def _record(self, source: Node, at: int, samples: Samples) -> None:
        """A recording moves on with what is added to it, and needs no ticks."""
        for side, gain in self._table.recorded(source):
            self._commit(side.recorder)
            side.recorder.add(side.channel, at, samples, gain)

    # -- ticks

    def _tick(self, group: int, now: int) -> None:
        """First everybody who sounds makes a frame, then everybody who hears takes what there is."""
        here = [node for node, theirs in self._ticking.items() if theirs == group]
        for node in here:
            self._produce(node, now)
        for node in here:
            self._consume(node, now)
        for node in here:
            self._table.drop_faded(node)
        for node in here:
            if isinstance(node, Leg) and not self._table.mixed(node):
                node.jitter = None
            if not self._wants_ticks(node):
                del self._ticking[node]
                node.frame = None

    def _produce(self, node: Node, now: int) -> None:
        if isinstance(node, Leg) and node.jitter is not None:
            node.frame, node.framed_at = node.jitter.read(now // SAMPLE_NS), now
            if node.frame is None and node.noise.on:
                node.frame = node.noise.frame()
        elif isinstance(node, Player) and node.sounding:
            if node.finishing and not node.queue:  # its last frame has been heard by now
                self._end_run(node)
                return
            real = node.read()
            frame = node.add_tail(np.pad(real, (0, FRAME - len(real))))
            node.frame, node.framed_at = (frame if len(real) or len(node.tail) else None), now
            if node.frame is not None:
                self._record(node, now // SAMPLE_NS, node.frame)
            if any(True for _ in self._table.column(node)):
                node.heard += len(real)

    def _consume(self, node: Node, now: int) -> None:
        if isinstance(node, Leg):
            self._send_digits(node, now)
            mix = self._mix(node, now)
            if mix is not None and node.origin.remote is not None:
                for samples, fresh in node.packing.add(mix, now, node.packet_samples):
                    payload = node.coder.encode(samples)
                    self._send(node, node.out.frame(payload, now, len(samples), fresh), payload)
        elif isinstance(node, Tap):
            mix = self._mix(node, now)
            if mix is not None:
                self._tapped += [(node.id, piece) for piece in node.push(mix)]

    def _mix(self, listener: Node, now: int) -> Samples | None:
        """The saturated sum of the frames made in this tick, or less than one frame ago in another group's."""
        if not self._table.mixes(listener):
            return None
        frames = []
        for source, _ in self._table.row(listener):
            before, gain = self._table.take_ramp(listener, source)
            if self._audible(source, now) and source.frame is not None:
                frames.append(ramped(source.frame, before, gain))
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
        if step is not None and leg.origin.remote is not None and leg.digit_payload_type >= 0:
            payload = TelephoneEvent.convert(bytes(step), 1, leg.digit_ratio)
            first, pressed.begun = not pressed.begun, True
            self._send(leg, leg.out.event(payload, first, now), payload, "event")

    def _queue_digit(self, leg: Leg, key: str, duration: int) -> None:
        if len(leg.digits_out) < 16:
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
        """A source joins the group of a listener, so that its frame is heard in the tick that made it. Everybody else
        joins the group that is due next: nothing begins later than a millisecond from now."""
        if isinstance(node, Leg) and node.jitter is None and self._table.mixed(node):
            node.jitter = JitterBuffer(self._now // SAMPLE_NS)
        if node in self._ticking or not self._wants_ticks(node):
            return
        listeners = (self._ticking.get(hears) for hears, _ in self._table.column(node))
        theirs = next((group for group in listeners if group is not None), None)
        self._ticking[node] = (self._slot + 1) % GROUPS if theirs is None else theirs

    def _wake_with_sources(self, listener: Node) -> None:
        self._wake(listener)
        for source, _ in self._table.row(listener):
            self._wake(source)

    def __iter__(self) -> Iterator[int]:
        return iter(self._nodes)

    def __contains__(self, node: int) -> bool:
        return node in self._nodes

    def _find(self, node: int, kind: type[NodeType]) -> NodeType:
        found = self._nodes.get(node)
        if not isinstance(found, kind):
            raise KeyError(f"no such open node: {node}")
        return found
