"""Keys as telephone-events: heard, passed on by a relay, and pressed for those who hear a mix."""

from __future__ import annotations

from dataclasses import replace

from media.reference.digits import KEYS, PassingPress
from media.reference.nodes import Leg
from media.reference.rtp import EVENT_SIZE, LONGEST_EVENT, Packet, TelephoneEvent, ahead
from media.reference.ticks import PRESS, Ticks


def event_ticks(leg: Leg, duration: int) -> int:
    """How much of an event's sound lies behind its timestamp, in ticks of the audio's clock."""
    return duration * (leg.codec.clock_rate // 8000 // leg.digit_ratio)


class Presses(Ticks):
    """What happens to keys. ``media.reference.core`` adds all other packets."""

    def _digit(self, source: Leg, packet: Packet) -> None:
        sounded = packet.timestamp + event_ticks(source, TelephoneEvent.parse(packet.payload).duration)
        if ahead(sounded, source.heard_until, 32) > 0:
            source.heard_until = sounded
        key = source.digits_in.receive(packet)
        if key is None:
            return
        self._events.append(("DigitPressed", source.id, key))
        # A relay has passed the packets on already; a mix carries no events, so its listeners get their own press.
        for listener, _ in self._table.column(source):
            if not isinstance(listener, Leg) or listener.digit_payload_type < 0:
                continue
            if listener.digits_out or self._table.mixes(listener):
                self._queue_digit(listener, key, PRESS)
                listener.taken_over.receive(packet)

    @staticmethod
    def _presses_itself(listener: Leg, source: Leg, packet: Packet) -> bool:
        """Does this listener get a press of our own for what a relay would pass on? One that it has got already, or,
        behind those that wait to be sent, a new one: keys arrive in the order in which they were pressed."""
        if listener.taken_over.follow(packet):
            return True
        return bool(listener.digits_out) and packet.payload[0] < len(KEYS) and not source.digits_in.follow(packet)

    def _relay_event(self, listener: Leg, source: Leg, packet: Packet) -> None:
        """A press keeps its segments where both sides count alike. Otherwise they are cut anew: it is as long as all of
        them, and the packets in which it outgrows a segment of the listener's are our own."""
        ours, theirs = source.digit_ratio, listener.digit_ratio
        event, moved, segment = TelephoneEvent.parse(packet.payload), packet, 0
        duration = event.duration * theirs // ours
        if ours != theirs and len(packet.payload) == EVENT_SIZE:
            source.digits_in.follow(packet)
            before = source.digits_in.before(packet.timestamp)
            whole = (before + event.duration) * theirs // ours
            segment = max(0, whole - 1) // LONGEST_EVENT
            duration = whole - segment * LONGEST_EVENT
            moved = replace(packet, timestamp=packet.timestamp + segment * LONGEST_EVENT - before)
            self._fill_segments(listener, packet, segment)
        feed, played = (source.id, source.incoming.epoch), event_ticks(listener, duration)
        renumbered = listener.out.relay(feed, moved, played, 0, self._now)
        if renumbered is None:
            return
        sent, sounded = renumbered.timestamp, duration // theirs
        press = PassingPress(packet, source.id, sounded, segment, sent, self._now, over=event.end)
        if listener.passing is None or not listener.passing.same(packet) or not press.behind(listener.passing):
            listener.passing = press
        payload = TelephoneEvent.convert(packet.payload, ours, theirs)
        if len(payload) == EVENT_SIZE:
            payload = payload[:2] + duration.to_bytes(2, "big")
        self._send_event(listener, renumbered, payload)

    def _fill_segments(self, listener: Leg, packet: Packet, until: int) -> None:
        """Section 2.5.1.3: each segment before this one is told to be full, which is no end of the press."""
        full = bytes(TelephoneEvent(packet.payload[0], False, LONGEST_EVENT))
        press = listener.passing
        if press is None or press.over or not press.same(packet):
            return
        for _ in range(press.segment, until):
            self._send_event(listener, listener.out.insert(press.timestamp, False), full)
            after = (press.timestamp + LONGEST_EVENT) & 0xFFFFFFFF
            press = replace(press, segment=press.segment + 1, timestamp=after, sounded=0)
        listener.passing = press
