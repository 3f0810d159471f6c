#include "switch.hpp"

namespace media {

namespace {

// Has audio been lost before this packet? What is missing may have been packets of a key, which take time of their own or
// none: audio that was lost has left room for itself.
bool lost_audio(const Leg& leg, const rtp::Packet& packet) {
    const auto length = static_cast<std::int32_t>(ticks(leg.format.codec, packet.payload));
    return leg.in.missing > 0 && rtp::ahead(packet.timestamp, leg.heard_until) >= length;
}

}  // namespace

// ---- packets

void Switch::packet(Leg& leg, rtp::Bytes bytes, Address from, Nanos now) {
    now_ = std::max(now_, now);
    if (rtcp::looks_so(bytes) && leg.reports.muxed) return report(leg, bytes, from, now);
    if (leg.security.receive && (bytes = open(leg, bytes, &Srtp::unprotect, rtp::ssrc_at)).empty())
        return refuse_unopened(leg, from);
    const auto packet = rtp::parse(bytes);
    const auto heard = packet ? leg.understand(*packet) : std::nullopt;
    if (!heard) return refuse_malformed(leg, packet, from);
    if (!leg.origin.admit(from, now)) return refuse_stranger(leg, from);
    const Verdict verdict = leg.probation.judge(*packet, leg.origin.moves(), now);
    if (verdict == Verdict::refused) return;
    if (verdict == Verdict::held) return leg.held.keep(*packet);
    if (verdict == Verdict::proven) hear_held(leg);
    hear(leg, *packet, *heard);
}

// It came before the stream was followed, and is heard as if it were then.
void Switch::hear_held(Leg& leg) {
    const rtp::Packet& packet = leg.held.packet();
    const auto heard = leg.understand(packet);
    if (!heard) return leg.probation.refused.add(1);  // of a format that has changed since
    const Nanos now = std::exchange(now_, leg.probation.held_since());
    hear(leg, packet, *heard);
    now_ = now;
}

void Switch::hear(Leg& leg, const rtp::Packet& packet, Heard heard) {
    const std::uint32_t epoch = leg.in.epoch;
    const Order order = leg.in.receive(packet);
    if (order == Order::refused) return;
    if (epoch != leg.in.epoch) {
        leg.timeline.forget();
        leg.jitter.forget_timing();
    }
    const bool first = leg.counters.packets_in.get() == 0;
    leg.counters.packets_in.add(1);
    leg.counters.last_packet.set(now_);
    leg.silence_said = false;
    relay(leg, packet, heard);  // before anything else: nobody waits for our bookkeeping
    if (first) output_.event({Event::Type::first_packet, leg.id, 0, leg.origin.remote()});
    if (heard.content == Content::event) return digit(leg, packet);
    if (heard.content == Content::comfort_noise) return fall_silent(leg, packet);
    leg.noise.end();
    distribute(leg, packet, heard.codec, order);
}

// What an SRTP or SRTCP packet holds; nothing when it is not from the far end, or is one that came before.
rtp::Bytes Switch::open(Leg& leg, rtp::Bytes bytes, Unprotect unprotect, std::size_t ssrc_at) {
    if (bytes.size() > opened_.size()) return {};
    std::copy(bytes.begin(), bytes.end(), opened_.begin());
    const std::size_t size = (*leg.security.receive.*unprotect)(opened_.data(), bytes.size());
    if (size != 0) leg.security.receive->remember(rtp::read32(&opened_[ssrc_at]), leg.probation.streams());
    return {opened_.data(), size};
}

void Switch::refuse_unopened(Leg& leg, Address from) {
    if (from != leg.origin.remote()) return refuse_stranger(leg, from);
    leg.counters.strangers.add(1);
    leg.refusals.unprotected.add(1);
}

void Switch::refuse_stranger(Leg& leg, Address from) {
    leg.counters.strangers.add(1);
    leg.refusals.stranger.set(from);
}

void Switch::refuse_malformed(Leg& leg, const std::optional<rtp::Packet>& packet, Address from) {
    leg.counters.malformed.add(1);
    if (!packet || from != leg.origin.remote()) return;
    if (leg.format.agreed(packet->payload_type)) return;
    leg.refusals.foreign.add(1);
    leg.refusals.last_type.set(packet->payload_type);
}

void Switch::fall_silent(Leg& leg, const rtp::Packet& packet) {
    const std::uint32_t timestamp = leg.clock.samples(packet.timestamp, clock_ratio(leg.format.codec));
    if (!leg.noise.on()) leg.silent_from = leg.timeline.place(timestamp, sample_at(now_)).value_or(sample_at(now_));
    leg.noise.begin(packet.payload);
    leg.recorded_noise.follow(leg.noise);
}

void Switch::relay(Leg& leg, const rtp::Packet& packet, Heard heard) {
    for (Cell* cell = leg.column; cell != nullptr; cell = cell->next_in_column)
        if (cell->listener.kind == Kind::leg && gains::feed(cell->listener).direct == &leg)
            relay_to(*cell, leg, packet, heard);
}

void Switch::relay_to(Cell& cell, Leg& source, const rtp::Packet& packet, Heard heard) {
    Leg& listener = as_leg(cell.listener);
    if (!listener.origin.known()) return;
    const Outgoing::Feed feed{source.id, source.in.epoch};
    const bool event = heard.content == Content::event;
    const bool noise = heard.content == Content::comfort_noise;
    if ((noise && !listener.format.comfort_noise) || (event && listener.format.digit_payload_type < 0))
        return listener.out.skip(feed, packet);
    if (event) return relay_event(cell, source, packet);
    if (listener.out.mixing()) catch_up(listener, source, std::exchange(cell.from, cell.gain));
    const std::uint32_t length = noise ? 0 : ticks(heard.codec, packet.payload);
    auto header = listener.out.relay(feed, packet, 0, length, now_);
    if (!header) return;
    header->payload_type = noise ? comfort_noise_type : listener.format.payload_type;
    std::uint8_t* payload = &packet_[rtp::header_size];
    if (noise || heard.codec == listener.format.codec) {
        std::copy(packet.payload.begin(), packet.payload.end(), payload);
    } else {
        const auto& table = heard.codec == Codec::pcma ? g711::alaw_to_ulaw : g711::ulaw_to_alaw;
        for (const std::uint8_t code : packet.payload) *payload++ = table[code];
    }
    send(listener, *header, packet.payload.size());
}

// Who heard the source in a mix heard it a jitter buffer later: what is still in there goes out at once, and its level
// with it from the mix's to that of the relay. Of Opus, whose shortest frame is 2.5 ms, less than that is left out.
void Switch::catch_up(Leg& listener, const Leg& source, Gain from) {
    std::array<Sample, JitterBuffer::longest + rtp::max_payload> room;
    auto rest = source.jitter.rest(sample_at(now_), room);
    for (std::size_t i = 0; i < std::min<std::size_t>(rest.size(), ramp_samples); ++i)
        room[i] = saturate(scaled(room[i], ramp(from, unity, static_cast<int>(i))));
    while (const std::size_t fits = listener.coder->fits(rest.size())) {
        const auto samples = rest.first(fits);
        rest = rest.subspan(fits);
        const std::size_t size =
            listener.coder->encode(samples, std::span(packet_).subspan(rtp::header_size, rtp::max_payload));
        rtp::Header header = listener.out.frame(now_, static_cast<int>(samples.size()), false);
        header.payload_type = listener.format.payload_type;
        send(listener, header, size);
    }
}

void Switch::send(Leg& leg, rtp::Header header, std::size_t payload_size) {
    rtp::write_header(packet_.data(), header);
    std::size_t size = rtp::header_size + payload_size;
    if (leg.security.send) size = leg.security.send->protect(packet_.data(), size);
    if (size == 0) return;
    leg.counters.packets_out.add(1);
    leg.counters.octets_out.add(static_cast<std::int64_t>(payload_size));
    output_.send(leg, {packet_.data(), size});
}

void Switch::distribute(Leg& leg, const rtp::Packet& packet, Codec codec, Order order) {
    if (order == Order::late && !leg.coder->takes_late()) return;
    const std::uint32_t timestamp = leg.clock.samples(packet.timestamp, clock_ratio(codec));
    if (order == Order::newest) leg.in.time(timestamp, sample_at(now_));
    const std::span<Sample> room(decoded_);
    const bool recover = order == Order::newest && codec == leg.format.codec && lost_audio(leg, packet);
    if (recover) {
        const std::size_t recovered = leg.coder->recover(packet.payload, room);
        sound(leg, timestamp - static_cast<std::uint32_t>(recovered), room.first(recovered), order);
    }
    const std::size_t count = leg.decode(packet.payload, codec, room);
    if (count == 0) leg.counters.malformed.add(1);
    if (order == Order::newest) leg.heard_until = packet.timestamp + ticks(codec, packet.payload);
    sound(leg, timestamp, room.first(count), order);
    if (is_wide(codec)) tap_wide(leg, timestamp, packet.payload, recover);
}

// Samples of a leg, and where they belong on its sender's clock, for everybody who does not get them by relay.
void Switch::sound(Leg& leg, std::uint32_t timestamp, std::span<const Sample> samples, Order order) {
    if (samples.empty()) return;
    const std::int64_t arrival = sample_at(now_);
    if (leg.feeding) leg.jitter.write(timestamp, samples);
    else if (order == Order::newest) leg.jitter.remember(arrival, samples);
    if (const auto at = leg.timeline.place(timestamp, arrival)) record(leg, *at, samples);
    tap(leg, timestamp, samples);
    if (order == Order::newest && leg.tones)
        leg.tones->hear(timestamp, leg.in.missing > 0, samples,
                        [&](char key) { output_.event({Event::Type::tone_digit, leg.id, key}); });
}

void Switch::tap(Leg& leg, std::uint32_t timestamp, std::span<const Sample> samples) {
    const bool wide = is_wide(leg.format.codec);
    for (Cell* cell = leg.column; cell != nullptr; cell = cell->next_in_column) {
        if (!taps(*cell, leg)) continue;
        Tap& tap = static_cast<Tap&>(cell->listener);
        if (tap.scale == 2 && wide) continue;  // it gets the whole band
        std::array<Sample, 2 * rtp::max_payload> room;
        tap.hear({leg.id, leg.in.epoch}, timestamp, tap.scaled_up(samples, room), cell->gain, leg.in.missing > 0,
                 sample_at(now_));
        hand_over(tap);
    }
}

// The whole band of a codec that has one, for the taps that want it.
void Switch::tap_wide(Leg& leg, std::uint32_t timestamp, rtp::Bytes payload, bool recover) {
    bool wanted = false;
    for (Cell* cell = leg.column; cell != nullptr; cell = cell->next_in_column)
        wanted = wanted || (taps(*cell, leg) && static_cast<Tap&>(cell->listener).scale == 2);
    if (!wanted) return;
    const bool lost = leg.in.missing > 0;
    const auto give = [&](std::uint32_t from, std::span<const Sample> samples) {
        for (Cell* cell = leg.column; cell != nullptr && !samples.empty(); cell = cell->next_in_column) {
            if (!taps(*cell, leg)) continue;
            Tap& tap = static_cast<Tap&>(cell->listener);
            if (tap.scale != 2) continue;
            tap.hear({leg.id, leg.in.epoch}, from, samples, cell->gain, lost, sample_at(now_));
            hand_over(tap);
        }
    };
    std::array<Sample, 2 * rtp::max_payload> room;
    Coder& coder = *leg.coder->wide();
    const std::size_t recovered = recover ? coder.recover(payload, room) : 0;
    give(timestamp - static_cast<std::uint32_t>(recovered / 2), std::span(room).first(recovered));
    const std::size_t count = coder.decode(payload, room);
    give(timestamp, std::span(room).first(count));
}

// The first 5 ms after a change of gain go from the old one to the new; what was taken away is gone after them.
void Switch::record_change(Cell& cell, const Side& side, std::int64_t at, std::span<const Sample> samples) {
    const Gain from = now_ - cell.since < recent ? cell.from : cell.gain;
    const auto ramped = std::min<std::size_t>(samples.size(), ramp_samples);
    for (std::size_t i = 0; i < ramped; ++i)
        side.recorder.add(side.channel, at + static_cast<std::int64_t>(i), samples.subspan(i, 1),
                          ramp(from, cell.gain, static_cast<int>(i)));
    side.recorder.add(side.channel, at + static_cast<std::int64_t>(ramped), samples.subspan(ramped), cell.gain);
    cell.from = cell.gain;
    if (cell.gain != 0) return;
    gains::unlink(cell);
    output_.closed(cell);
}

// A recording moves on with what is added to it: it needs no ticks, and no timer has to wake anybody for it.
void Switch::record(const Node& source, std::int64_t at, std::span<const Sample> samples) {
    for (Cell *cell = source.column, *next; cell != nullptr; cell = next) {
        next = cell->next_in_column;
        if (cell->listener.kind != Kind::side) continue;
        const Side& side = static_cast<Side&>(cell->listener);
        side.recorder.settle(sample_at(now_));
        if (cell->from == cell->gain) side.recorder.add(side.channel, at, samples, cell->gain);
        else record_change(*cell, side, at, samples);
    }
}

}  // namespace media
