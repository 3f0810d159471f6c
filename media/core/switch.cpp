#include "switch.hpp"

namespace media {

namespace {

// How much of an event's sound lies behind its timestamp, in ticks of the audio's clock.
std::uint32_t event_ticks(const Leg& leg, const rtp::Packet& packet) {
    const auto duration = static_cast<std::uint32_t>(read_event(packet.payload).duration);
    return duration * static_cast<std::uint32_t>(clock_ratio(leg.format.codec) / leg.format.digit_ratio);
}

// Durations count in the clock of each side's own telephone-event (RFC 4733 section 2.3.5).
void copy_events(rtp::Bytes from, int from_ratio, int to_ratio, std::uint8_t* to) {
    for (std::size_t at = 0; at < from.size(); at += event_size, to += event_size) {
        std::copy_n(&from[at], event_size, to);
        rtp::write16(to + 2, static_cast<std::uint16_t>(std::min(rtp::read16(&from[at + 2]) * to_ratio / from_ratio, 0xFFFF)));
    }
}

}  // namespace

// ---- time

void Switch::advance(Nanos now) {
    const std::int64_t due = now / millisecond;
    slot_ = std::max(slot_, due - 200);  // after a long halt the past is not played back
    while (slot_ < due) {
        ++slot_;
        now_ = std::max(now_, slot_ * millisecond);
        tick(static_cast<int>(slot_ % groups), slot_ * millisecond);
        if (slot_ % 500 != 0) continue;
        check_silence();
        check_recorders();
    }
    now_ = std::max(now_, now);
}

std::optional<Nanos> Switch::deadline() const {
    const bool idle = legs_ == nullptr && recorders_ == nullptr;
    std::int64_t slot = idle ? INT64_MAX : slot_ + 500 - slot_ % 500;
    for (std::int64_t ahead = groups; ahead > 0; --ahead)
        if (ticking_[static_cast<std::size_t>((slot_ + ahead) % groups)] != nullptr) slot = std::min(slot, slot_ + ahead);
    if (slot == INT64_MAX) return std::nullopt;
    return slot * millisecond;
}

void Switch::check_silence() {
    for (Leg* leg = legs_; leg != nullptr; leg = leg->next_leg) {
        if (leg->silence_said || !leg->origin.known()) continue;
        const Nanos last = leg->counters.last_packet.get();
        const Nanos silent = now_ - std::max(last, leg->origin.since());
        if (silent > 1'000 * millisecond) output_.unsettled(*leg);
        if (silent < silence_after_) continue;
        leg->silence_said = true;
        output_.event({Event::Type::silence, leg->id, silent / millisecond});
    }
}

// Where nothing is heard, nothing else moves a recording on.
void Switch::check_recorders() {
    for (Recorder* recorder = recorders_; recorder != nullptr; recorder = recorder->next_recorder) commit(*recorder);
}

// ---- packets

void Switch::packet(Leg& leg, rtp::Bytes bytes, Address from, Nanos now) {
    now_ = std::max(now_, now);
    if (leg.security.receive && (bytes = open(leg, bytes)).empty()) return leg.counters.strangers.add(1);
    const auto packet = rtp::parse(bytes);
    const auto heard = packet ? leg.understand(*packet) : std::nullopt;
    if (!heard) return leg.counters.malformed.add(1);
    if (!leg.origin.admit(from, now)) return leg.counters.strangers.add(1);
    const std::uint32_t epoch = leg.in.epoch;
    const Order order = leg.in.receive(*packet);
    if (order == Order::refused) return;
    if (epoch != leg.in.epoch) {
        leg.timeline.forget();
        leg.jitter.forget_timing();
    }
    const bool first = leg.counters.packets_in.get() == 0;
    leg.counters.packets_in.add(1);
    leg.counters.last_packet.set(now);
    leg.silence_said = false;
    relay(leg, *packet, *heard);  // before anything else: nobody waits for our bookkeeping
    if (first) output_.event({Event::Type::first_packet, leg.id, 0, from});
    if (heard->content == Content::event) return digit(leg, *packet);
    if (heard->content == Content::comfort_noise) return leg.noise.begin(packet->payload);
    leg.noise.end();
    distribute(leg, *packet, heard->codec, order);
}

// What an SRTP packet holds; nothing when it is not from the far end, or is one that came before.
rtp::Bytes Switch::open(Leg& leg, rtp::Bytes bytes) {
    if (bytes.size() > opened_.size()) return {};
    std::copy(bytes.begin(), bytes.end(), opened_.begin());
    return {opened_.data(), leg.security.receive->unprotect(opened_.data(), bytes.size())};
}

void Switch::relay(Leg& leg, const rtp::Packet& packet, Heard heard) {
    for (Cell* cell = leg.column; cell != nullptr; cell = cell->next_in_column)
        if (cell->listener.kind == Kind::leg && gains::feed(cell->listener).direct == &leg)
            relay_to(as_leg(cell->listener), leg, packet, heard);
}

void Switch::relay_to(Leg& listener, Leg& source, const rtp::Packet& packet, Heard heard) {
    if (!listener.origin.known()) return;
    const Outgoing::Feed feed{source.id, source.in.epoch};
    const bool event = heard.content == Content::event;
    const bool noise = heard.content == Content::comfort_noise;
    if ((noise && !listener.format.comfort_noise) || (event && listener.format.digit_payload_type < 0))
        return listener.out.skip(feed, packet);
    const std::uint32_t played = event ? event_ticks(source, packet) : 0;
    const std::uint32_t length = event || noise ? 0 : ticks(heard.codec, packet.payload);
    auto header = listener.out.relay(feed, packet, played, length, now_);
    if (!header) return;
    header->payload_type =
        static_cast<std::uint8_t>(event ? listener.format.digit_payload_type
                                  : noise ? comfort_noise_type : listener.format.payload_type);
    std::uint8_t* payload = &packet_[rtp::header_size];
    if (event) {
        copy_events(packet.payload, source.format.digit_ratio, listener.format.digit_ratio, payload);
    } else if (noise || heard.codec == listener.format.codec) {
        std::copy(packet.payload.begin(), packet.payload.end(), payload);
    } else {
        const auto& table = heard.codec == Codec::pcma ? g711::alaw_to_ulaw : g711::ulaw_to_alaw;
        for (const std::uint8_t code : packet.payload) *payload++ = table[code];
    }
    send(listener, *header, packet.payload.size());
}

void Switch::send(Leg& leg, rtp::Header header, std::size_t payload_size) {
    rtp::write_header(packet_.data(), header);
    std::size_t size = rtp::header_size + payload_size;
    if (leg.security.send) size = leg.security.send->protect(packet_.data(), size);
    if (size == 0) return;
    leg.counters.packets_out.add(1);
    output_.send(leg, {packet_.data(), size});
}

void Switch::digit(Leg& leg, const rtp::Packet& packet) {
    const auto key = leg.digits_in.receive(packet.ssrc, packet.timestamp, read_event(packet.payload));
    if (!key) return;
    output_.event({Event::Type::digit, leg.id, *key});
    // A relay has passed the packets on already; a mix carries no events, so its listeners get a press of their own.
    for (Cell* cell = leg.column; cell != nullptr; cell = cell->next_in_column) {
        if (cell->listener.kind != Kind::leg || !gains::mixes(cell->listener)) continue;
        Leg& listener = as_leg(cell->listener);
        if (listener.format.digit_payload_type >= 0)
            send_digit(listener, static_cast<std::uint8_t>(keys.find(*key)), 1280);
    }
}

void Switch::distribute(Leg& leg, const rtp::Packet& packet, Codec codec, Order order) {
    if (order == Order::late && !leg.coder->takes_late()) return;
    const std::uint32_t timestamp = leg.clock.samples(packet.timestamp, clock_ratio(codec));
    if (order == Order::newest) leg.in.time(timestamp, sample_at(now_));
    const std::span<Sample> room(decoded_);
    if (order == Order::newest && leg.in.missing > 0 && codec == leg.format.codec) {
        const std::size_t recovered = leg.coder->recover(packet.payload, room);
        sound(leg, timestamp - static_cast<std::uint32_t>(recovered), room.first(recovered), order);
    }
    const std::size_t count = leg.decode(packet.payload, codec, room);
    if (count == 0) leg.counters.malformed.add(1);
    sound(leg, timestamp, room.first(count), order);
}

// Samples of a leg, and where they belong on its sender's clock, for everybody who does not get them by relay.
void Switch::sound(Leg& leg, std::uint32_t timestamp, std::span<const Sample> samples, Order order) {
    if (samples.empty()) return;
    const std::int64_t arrival = sample_at(now_);
    if (leg.feeding) leg.jitter.write(timestamp, arrival, samples);
    if (const auto at = leg.timeline.place(timestamp, arrival)) record(leg, *at, samples);
    if (order != Order::newest) return;  // a recogniser cannot go back
    if (leg.tones)
        leg.tones->hear(timestamp, leg.in.missing > 0, samples,
                        [&](char key) { output_.event({Event::Type::tone_digit, leg.id, key}); });
    for (Cell* cell = leg.column; cell != nullptr; cell = cell->next_in_column) {
        if (cell->listener.kind != Kind::tap || gains::feed(cell->listener).direct != &leg) continue;
        Tap& tap = static_cast<Tap&>(cell->listener);
        tap.push(samples, cell->gain, [&](std::span<const Sample> piece) { output_.tap(tap, piece); });
    }
}

void Switch::commit(Recorder& recorder) {
    while (const auto frames = recorder.ready(sample_at(now_))) output_.recorded(recorder, frames);
}

// A recording moves on with what is added to it: it needs no ticks, and no timer has to wake anybody for it.
void Switch::record(const Node& source, std::int64_t at, std::span<const Sample> samples) {
    for (Cell* cell = source.column; cell != nullptr; cell = cell->next_in_column) {
        if (cell->listener.kind != Kind::side) continue;
        const Side& side = static_cast<Side&>(cell->listener);
        commit(side.recorder);
        side.recorder.add(side.channel, at, samples, cell->gain);
    }
}

// ---- commands

void Switch::open(Leg& leg) {
    leg.next_leg = legs_;
    if (legs_ != nullptr) legs_->previous_leg = &leg;
    legs_ = &leg;
}

void Switch::open(Recorder& recorder) {
    recorder.begin(sample_at(now_));
    recorder.next_recorder = recorders_;
    if (recorders_ != nullptr) recorders_->previous_recorder = &recorder;
    recorders_ = &recorder;
}

// What stays as it was keeps its state: a hold must not be heard as a click.
void Switch::set_format(Leg& leg, Equipment& equipment) {
    if (leg.format.codec != equipment.format.codec) std::swap(leg.coder, equipment.coder);
    if (!leg.tones != !equipment.tones) std::swap(leg.tones, equipment.tones);
    leg.format = equipment.format;
    output_.closed(equipment);
    leg.out.set_clock(clock_ratio(leg.format.codec));
    wake_with_sources(leg);
    for (Cell* cell = leg.column; cell != nullptr; cell = cell->next_in_column) wake_with_sources(cell->listener);
}

// A direction whose key stays goes on where it was: its packet counter is part of the encryption (RFC 3711 section 3.3.1).
void Switch::set_security(Leg& leg, Security& security) {
    for (const auto direction : {&Security::send, &Security::receive}) {
        std::unique_ptr<Srtp>&used = leg.security.*direction, &wanted = security.*direction;
        if (!used || !wanted || !used->same_key(*wanted)) std::swap(used, wanted);
    }
    output_.closed(security);
}

void Switch::set_remote(Leg& leg, Address address) {
    leg.origin.signal(address, now_);
    output_.unsettled(leg);
}

void Switch::set_gain(Cell& cell) {
    Cell* const old = gains::find(cell.listener, cell.source);
    const bool in_a_mix = gains::mixes(cell.listener) && cell.source.audible_at(now_);
    if (in_a_mix) cell.from = old != nullptr ? old->from : 0;
    if (old != nullptr) {
        gains::unlink(*old);
        output_.closed(*old);
    }
    if (cell.gain == 0 && cell.from == 0) return output_.closed(cell);
    gains::link(cell);
    wake_with_sources(cell.listener);
}

void Switch::play(Player& player, Sound& sound) {
    player.queue(&sound);
    wake(player);
    for (Cell* cell = player.column; cell != nullptr; cell = cell->next_in_column) wake_with_sources(cell->listener);
}

void Switch::finish(Player& player) {
    player.finishing = true;
    if (!player.running) end_run(player);
}

void Switch::stop(Player& player) {
    player.fade(now_, [this](Parcel* done) { output_.closed(*done); });
    player.drop_all([this](Parcel* done) { output_.closed(*done); });
    end_run(player);
}

void Switch::send_digit(Leg& leg, std::uint8_t code, int duration_samples) {
    leg.digits_out.queue(code, duration_samples);
    wake(leg);
}

void Switch::detach(Node& node) {
    while (node.row != nullptr) {
        Cell* cell = node.row;
        gains::unlink(*cell);
        output_.closed(*cell);
    }
    while (node.column != nullptr) {
        Cell* cell = node.column;
        gains::unlink(*cell);
        output_.closed(*cell);
    }
    unlink(node);
}

void Switch::close(Leg& leg) {
    detach(leg);
    (leg.previous_leg != nullptr ? leg.previous_leg->next_leg : legs_) = leg.next_leg;
    if (leg.next_leg != nullptr) leg.next_leg->previous_leg = leg.previous_leg;
    output_.closed_leg(leg);
}

void Switch::close(Player& player) {
    detach(player);
    player.drop_all([this](Parcel* done) { output_.closed(*done); });
    output_.closed(player);
}

void Switch::close(Tap& tap) {
    detach(tap);
    output_.closed_tap(tap);
}

void Switch::close(Recorder& recorder) {
    detach(recorder.left);
    detach(recorder.right);
    (recorder.previous_recorder != nullptr ? recorder.previous_recorder->next_recorder : recorders_) =
        recorder.next_recorder;
    if (recorder.next_recorder != nullptr) recorder.next_recorder->previous_recorder = recorder.previous_recorder;
    while (const auto frames = recorder.rest(sample_at(now_))) output_.recorded(recorder, frames);
    output_.recorded_all(recorder);
}

}  // namespace media
