#include "switch.hpp"

namespace media {

namespace {

// How much of an event's sound lies behind its timestamp, in ticks of the audio's clock.
std::uint32_t event_ticks(const Leg& leg, std::int64_t duration) {
    return static_cast<std::uint32_t>(duration) *
           static_cast<std::uint32_t>(clock_ratio(leg.format.codec) / leg.format.digit_ratio);
}

// Does this listener get a press of our own for what a relay would pass on? One that it has got already, or, behind those
// that wait to be sent, a new one: keys arrive in the order in which they were pressed.
bool presses_itself(Leg& listener, Leg& source, const rtp::Packet& packet) {
    const std::uint8_t code = packet.payload[0];
    if (listener.taken_over.follow(packet.ssrc, packet.timestamp, code)) return true;
    return listener.digits_out.busy() && code < keys.size() && !source.digits_in.follow(packet.ssrc, packet.timestamp, code);
}

// Events one behind the other in one packet. Durations count in the clock of each side's own telephone-event (RFC 4733
// section 2.3.5); none of these may take a segment of its own (section 2.5.1.3.1).
void copy_events(rtp::Bytes from, int from_ratio, int to_ratio, std::uint8_t* to) {
    for (std::size_t at = 0; at < from.size(); at += event_size, to += event_size) {
        std::copy_n(&from[at], event_size, to);
        const int duration = rtp::read16(&from[at + 2]) * to_ratio / from_ratio;
        rtp::write16(to + 2, static_cast<std::uint16_t>(std::min(duration, longest_event)));
    }
}

}  // namespace

// ---- keys

void Switch::digit(Leg& leg, const rtp::Packet& packet) {
    const std::uint32_t sounded = packet.timestamp + event_ticks(leg, read_event(packet.payload).duration);
    if (rtp::ahead(sounded, leg.heard_until) > 0) leg.heard_until = sounded;
    const auto key = leg.digits_in.receive(packet.ssrc, packet.timestamp, read_event(packet.payload));
    if (!key) return;
    output_.event({Event::Type::digit, leg.id, *key});
    // A relay has passed the packets on already; a mix carries no events, so its listeners get a press of their own.
    for (Cell* cell = leg.column; cell != nullptr; cell = cell->next_in_column) {
        if (cell->listener.kind != Kind::leg) continue;
        Leg& listener = as_leg(cell->listener);
        if (listener.format.digit_payload_type < 0) continue;
        if (!listener.digits_out.busy() && !gains::mixes(listener)) continue;
        send_digit(listener, static_cast<std::uint8_t>(keys.find(*key)), press_samples);
        listener.taken_over.receive(packet.ssrc, packet.timestamp, read_event(packet.payload));
    }
}

// A press keeps its segments where both sides count alike. Otherwise they are cut anew: it is as long as all of them, and
// the packets in which it outgrows a segment of the listener's are our own.
void Switch::relay_event(Cell& cell, Leg& source, const rtp::Packet& packet) {
    Leg& listener = as_leg(cell.listener);
    const Outgoing::Feed feed{source.id, source.in.epoch};
    if (presses_itself(listener, source, packet)) return listener.out.skip(feed, packet);
    if (listener.out.mixing()) catch_up(listener, source, std::exchange(cell.from, cell.gain));
    const int from = source.format.digit_ratio, to = listener.format.digit_ratio;
    const TelephoneEvent event = read_event(packet.payload);
    rtp::Packet moved = packet;
    std::int64_t duration = std::int64_t{event.duration} * to / from, segment = 0;
    if (from != to && packet.payload.size() == event_size) {
        source.digits_in.follow(packet.ssrc, packet.timestamp, event.code);
        const std::int64_t before = source.digits_in.before(packet.timestamp);
        const std::int64_t whole = (before + event.duration) * to / from;
        segment = std::max<std::int64_t>(0, whole - 1) / longest_event;
        duration = whole - segment * longest_event;
        moved.timestamp += static_cast<std::uint32_t>(segment * longest_event - before);
        fill_segments(listener, packet, event, segment);
    }
    const auto header = listener.out.relay(feed, moved, event_ticks(listener, duration), 0, now_);
    if (!header) return;
    note_passing(listener, source, packet, header->timestamp, segment, static_cast<int>(duration / to));
    std::uint8_t* const payload = &packet_[rtp::header_size];
    copy_events(packet.payload, from, to, payload);
    if (packet.payload.size() == event_size) rtp::write16(payload + 2, static_cast<std::uint16_t>(duration));
    send_event(listener, *header, packet.payload.size());
}

// Section 2.5.1.3: each segment before this one is told to be full, which is no end of the press.
void Switch::fill_segments(Leg& listener, const rtp::Packet& packet, TelephoneEvent event, std::int64_t until) {
    PassingPress& press = listener.passing;
    if (press.source == 0 || press.ssrc != packet.ssrc || press.code != event.code) return;
    for (; press.segment < until; ++press.segment, press.sent += longest_event, press.sounded = 0)
        send_event(listener, listener.out.insert(press.sent, false), {event.code, false, longest_event});
}

void Switch::note_passing(Leg& listener, const Leg& source, const rtp::Packet& packet, std::uint32_t sent,
                          std::int64_t segment, int sounded) {
    const TelephoneEvent event = read_event(packet.payload);
    const PassingPress& known = listener.passing;
    const std::int32_t newer = rtp::ahead(sent, known.sent);
    const bool behind = newer < 0 || (newer == 0 && (known.source == 0 || sounded < known.sounded));
    if (known.ssrc == packet.ssrc && known.code == event.code && behind) return;  // out of order
    listener.passing = {event.end ? 0 : source.id, packet.ssrc, packet.timestamp, sent, event.code, sounded, segment, now_};
}

// Who hears the other no longer by relay would hear no end of the press that is being passed on: it becomes our own.
void Switch::take_over(Leg& listener) {
    PassingPress& press = listener.passing;
    const Leg* const direct = gains::feed(listener).direct;
    if (press.source == 0 || (direct != nullptr && direct->id == press.source)) return;
    press.source = 0;
    if (now_ - press.since >= recent) return;  // its end was lost
    listener.taken_over.receive(press.ssrc, press.timestamp, {press.code, false, 0});
    if (!listener.digits_out.resume(press.code, press.sounded, press_samples)) return;
    listener.out.resume_event(press.sent);
}

void Switch::send_digits(Leg& leg, Nanos now) {
    const auto step = leg.digits_out.step();
    if (!step || !leg.origin.known() || leg.format.digit_payload_type < 0) return;
    const int whole = step->event.duration * leg.format.digit_ratio;
    int& segmented = leg.digits_out.segmented;
    for (; whole - segmented > longest_event; segmented += longest_event) {
        send_event(leg, leg.out.event(false, now), {step->event.code, false, longest_event});
        leg.out.next_segment(longest_event);
    }
    send_event(leg, leg.out.event(step->first, now),
               {step->event.code, step->event.end, static_cast<std::uint16_t>(whole - segmented)});
}

void Switch::send_event(Leg& leg, rtp::Header header, TelephoneEvent event) {
    std::uint8_t* const payload = &packet_[rtp::header_size];
    payload[0] = event.code;
    payload[1] = static_cast<std::uint8_t>((event.end ? 0x80 : 0) | 10);  // volume: -10 dBm0
    rtp::write16(payload + 2, event.duration);
    send_event(leg, header, event_size);
}

void Switch::send_event(Leg& leg, rtp::Header header, std::size_t size) {
    header.payload_type = static_cast<std::uint8_t>(leg.format.digit_payload_type);
    send(leg, header, size);
}

}  // namespace media
