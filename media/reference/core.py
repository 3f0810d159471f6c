"""The media switch without I/O: packets, commands and the time go in; packets, events, taps and recordings come out.

Two ways for sound to get through:

- *relayed*: a leg whose only source is one other leg, at gain 1.0, gets each packet as it arrives, renumbered;
- *mixed*: everybody else gets one frame every 20 ms, the sum of what the sources sound. Ticks are spread over 20
  groups, 1 ms apart, so that they do not all fall into one burst.
"""

from __future__ import annotations

import numpy as np

from media.engine import Codec
from media.reference import rtcp
from media.reference.coders import coder, ticks
from media.reference.levels import Samples, ramped, saturate
from media.reference.nodes import Address, Leg
from media.reference.presses import Presses
from media.reference.probation import Verdict
from media.reference.rtp import Packet, ahead
from media.reference.streams import SAMPLE_NS, Order
from media.reference.tap import Tap


class Core(Presses):
    """What happens to packets. ``media.reference.switch`` adds the commands."""

    # -- packets

    def packet(self, leg: int, data: bytes, address: str, port: int, now_ns: int) -> None:
        """One datagram arrived."""
        self._now = max(self._now, now_ns)
        source = self._find(leg, Leg)
        if rtcp.looks_so(data) and source.reports.muxed:
            self.report(leg, data, address, port, now_ns)
            return
        if source.unprotect is not None:
            opened = source.unprotect.unprotect(data)
            if opened is None:
                self._refuse_unopened(source, (address, port))
                return
            data = opened
            source.unprotect.remember(int.from_bytes(data[8:12], "big"), source.probation.streams())
        packet = Packet.parse(data)
        content = None if packet is None else source.understand(packet)
        if packet is None or content is None:
            self._refuse_malformed(source, packet, (address, port))
            return
        if not source.origin.admit((address, port), now_ns):
            self._refuse_stranger(source, (address, port))
            return
        verdict = source.probation.judge(packet, source.origin.moves, now_ns)
        if verdict is Verdict.PROVEN:
            self._hear_held(source)
        if verdict in (Verdict.PROVEN, Verdict.HEARD):
            self._hear(source, packet, content)

    def _hear_held(self, source: Leg) -> None:
        """It came before the stream was followed, and is heard as if it were then."""
        held, since = source.probation.held, source.probation.held_since
        content = source.understand(held)
        if content is None:  # of a format that has changed since
            source.probation.refused += 1
            return
        now, self._now = self._now, since
        self._hear(source, held, content)
        self._now = now

    def _hear(self, source: Leg, packet: Packet, content: Codec | str) -> None:
        epoch = source.incoming.epoch
        order = source.incoming.receive(packet)
        if order is Order.REFUSED:
            return
        if epoch != source.incoming.epoch:
            source.timeline.forget()
            source.jitter.forget_timing()
        source.packets_in += 1
        source.last_packet, source.silence_said = self._now, False
        self._relay(source, packet, content)  # before anything else: nobody waits for our bookkeeping
        if source.packets_in == 1:
            assert source.origin.remote is not None
            self._events.append(("FirstPacket", source.id, *source.origin.remote))
        if content == "event":
            self._digit(source, packet)
        elif content == "comfort noise":
            self._fall_silent(source, packet)
        else:
            assert isinstance(content, Codec)
            source.noise.on = False
            self._distribute(source, packet, content, order)

    def report(self, leg: int, data: bytes, address: str, port: int, now_ns: int) -> None:
        """One datagram of RTCP arrived. Believed is who sits where the leg's audio goes: whoever else may send reports
        could only tell us lies."""
        self._now = max(self._now, now_ns)
        source = self._find(leg, Leg)
        reports, opened = source.reports, data
        if not reports.plausible((address, port), source.origin.remote):
            reports.strangers += 1
            return
        if source.unprotect is not None:
            opened = source.unprotect.unprotect_rtcp(data) or b""
            if not opened:
                reports.strangers += 1
                return
            source.unprotect.remember(int.from_bytes(opened[4:8], "big"), source.probation.streams())
        told = rtcp.Compound.parse(opened, source.out.ssrc)
        if told is None:
            reports.malformed += 1
            return
        reports.learned = address, port
        reports.read(told, source.incoming.ssrc, source.out.ratio, now_ns)

    @staticmethod
    def _refuse_stranger(leg: Leg, source: Address) -> None:
        leg.strangers += 1
        leg.refusals.stranger = source

    def _refuse_unopened(self, leg: Leg, source: Address) -> None:
        if source != leg.origin.remote:
            self._refuse_stranger(leg, source)
            return
        leg.strangers += 1
        leg.refusals.unprotected += 1

    @staticmethod
    def _refuse_malformed(leg: Leg, packet: Packet | None, source: Address) -> None:
        leg.malformed += 1
        if packet is not None and source == leg.origin.remote and leg.agreed(packet.payload_type) is None:
            leg.refusals.foreign += 1
            leg.refusals.last_type = packet.payload_type

    def _relay(self, source: Leg, packet: Packet, content: Codec | str) -> None:
        feed = (source.id, source.incoming.epoch)
        for listener, _ in self._table.column(source):
            if not isinstance(listener, Leg) or self._table.direct(listener) is not source:
                continue
            if listener.origin.remote is None:
                continue
            event = content == "event"
            noise = content == "comfort noise"
            unwanted = (noise and not listener.comfort_noise) or (event and listener.digit_payload_type < 0)
            if unwanted or (event and self._presses_itself(listener, source, packet)):
                listener.out.skip(feed, packet)
                continue
            if listener.out.mixing:
                self._catch_up(listener, source)
            if event:
                self._relay_event(listener, source, packet)
                continue
            length = ticks(content, packet.payload) if isinstance(content, Codec) else 0
            renumbered = listener.out.relay(feed, packet, 0, length, self._now)
            if renumbered is None:
                continue
            payload = packet.payload
            if isinstance(content, Codec) and content is not listener.codec:
                payload = coder(listener.codec).encode(coder(content).decode(payload))  # both G.711
            self._send(listener, renumbered, payload, content if isinstance(content, str) else "audio")

    def _catch_up(self, listener: Leg, source: Leg) -> None:
        """Who heard the source in a mix heard it a jitter buffer later: what is still in there goes out at once, and
        its level with it from the mix's to that of the relay."""
        rest = saturate(ramped(source.jitter.rest(self._now // SAMPLE_NS), *self._table.take_ramp(listener, source)))
        while fits := listener.coder.fits(len(rest)):
            samples, rest = rest[:fits], rest[fits:]
            payload = listener.coder.encode(samples)
            self._send(listener, listener.out.frame(payload, self._now, len(samples), False), payload)

    def _distribute(self, source: Leg, packet: Packet, codec: Codec, order: Order) -> None:
        if order is Order.LATE and not source.coder.takes_late():
            return
        timestamp = source.clock.samples(packet.timestamp, codec.clock_rate // 8000)
        if order is Order.NEWEST:
            source.incoming.time(timestamp, self._now // SAMPLE_NS)
        recover = order is Order.NEWEST and codec is source.codec and self._lost_audio(source, packet)
        if recover:
            recovered = source.coder.recover(packet.payload)
            self._sound(source, timestamp - len(recovered), recovered, order)
        samples = (source.coder if codec is source.codec else coder(codec)).decode(packet.payload)
        if not len(samples):
            source.malformed += 1
        if order is Order.NEWEST:
            source.heard_until = packet.timestamp + ticks(codec, packet.payload)
        self._sound(source, timestamp, samples, order)
        if source.wide is not None and codec is source.codec:
            self._tap_wide(source, timestamp, packet.payload, recover=recover)

    @staticmethod
    def _lost_audio(source: Leg, packet: Packet) -> bool:
        """Has audio been lost before this packet? What is missing may have been packets of a key, which take time of
        their own or none: audio that was lost has left room for itself."""
        room = ahead(packet.timestamp, source.heard_until, 32)
        return source.incoming.missing > 0 and room >= ticks(source.codec, packet.payload)

    def _sound(self, source: Leg, timestamp: int, samples: Samples, order: Order) -> None:
        """Samples of a leg, and where they belong on its sender's clock, for all who do not get them by relay."""
        if not len(samples):
            return
        arrival = self._now // SAMPLE_NS
        if source.feeding:
            source.jitter.write(timestamp, samples)
        elif order is Order.NEWEST:
            source.jitter.remember(arrival, samples)
        place = source.timeline.place(timestamp, arrival)
        if place is not None:
            self._record(source, place, samples)
        for tap in self._taps(source):
            if tap.scale == 1 or source.wide is None:  # otherwise it gets the whole band
                self._tap(source, tap, timestamp, tap.scaled_up(samples))
        if order is Order.NEWEST and source.tones is not None:
            lost = source.incoming.missing > 0
            keys = source.tones.hear(timestamp & 0xFFFFFFFF, lost, samples.tobytes())
            self._events += [("DigitPressed", source.id, key, True) for key in keys]

    def _tap_wide(self, source: Leg, timestamp: int, payload: bytes, *, recover: bool) -> None:
        """The whole band of a codec that has one, for the taps that want it."""
        wanting = [tap for tap in self._taps(source) if tap.scale == 2]
        if not wanting or source.wide is None:
            return
        recovered = source.wide.recover(payload) if recover else b""
        pieces = {timestamp - len(recovered) // 4: recovered, timestamp: source.wide.decode(payload)}
        for begin, pcm in pieces.items():
            for tap in wanting:
                if pcm:
                    self._tap(source, tap, begin, np.frombuffer(pcm, np.int16))

    def _taps(self, source: Leg) -> list[Tap]:
        """Those that get what the leg says as it comes."""
        listeners = (listener for listener, _ in self._table.column(source))
        return [tap for tap in listeners if isinstance(tap, Tap) and self._table.direct(tap) is source]

    def _tap(self, source: Leg, tap: Tap, timestamp: int, samples: Samples) -> None:
        [gain] = [gain for listener, gain in self._table.column(source) if listener is tap]
        stream, now = (source.id, source.incoming.epoch), self._now // SAMPLE_NS
        tap.hear(stream, timestamp, samples, gain, now, lost=source.incoming.missing > 0)

    def _fall_silent(self, source: Leg, packet: Packet) -> None:
        timestamp, now = source.clock.samples(packet.timestamp, source.codec.clock_rate // 8000), self._now // SAMPLE_NS
        if not source.noise.on:
            place = source.timeline.place(timestamp, now)
            source.silent_from = now if place is None else place
        source.noise.begin(packet.payload)
        source.recorded_noise.follow(source.noise)
