#include "switch.hpp"

namespace media {

// ---- time

void Switch::advance(Nanos now) {
    const std::int64_t due = now / millisecond;
    slot_ = std::max(slot_, due - 200);  // after a long halt the past is not played back
    while (slot_ < due) {
        ++slot_;
        now_ = std::max(now_, slot_ * millisecond);
        tick(static_cast<int>(slot_ % groups), slot_ * millisecond);
        if (slot_ % 100 == 0) fill_silence();
        if (slot_ % 500 != 0) continue;
        check_silence();
        check_recorders();
    }
    now_ = std::max(now_, now);
    send_reports();
}

std::optional<Nanos> Switch::deadline() const {
    const bool idle = legs_ == nullptr && recorders_ == nullptr;
    std::int64_t slot = idle ? INT64_MAX : slot_ + 500 - slot_ % 500;
    if (legs_ != nullptr) slot = slot_ + 100 - slot_ % 100;
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
        if (silent < silence_after_) continue;
        leg->silence_said = true;
        output_.event({Event::Type::silence, leg->id, silent / millisecond});
    }
}

// What far ends do not send of their silence, for those who cannot do without: recognisers and recordings.
void Switch::fill_silence() {
    const std::int64_t now = sample_at(now_);
    for (Leg* leg = legs_; leg != nullptr; leg = leg->next_leg) {
        const Nanos last = leg->counters.last_packet.get();
        if (last == 0 || now_ - last < 2 * frame_time) continue;
        for (Cell* cell = leg->column; cell != nullptr; cell = cell->next_in_column) {
            if (!taps(*cell, *leg)) continue;
            Tap& tap = static_cast<Tap&>(cell->listener);
            tap.pass({leg->id, leg->in.epoch}, leg->noise, now);
            hand_over(tap);
        }
        if (!leg->noise.on()) continue;
        for (Frame frame; leg->silent_from + frame_samples <= now; leg->silent_from += frame_samples) {
            leg->recorded_noise.fill(frame);
            record(*leg, leg->silent_from, frame);
        }
    }
}

// Where nothing is heard, nothing else moves a recording on; and where the disk hangs, nobody else notices.
void Switch::check_recorders() {
    const std::int64_t now = sample_at(now_);
    for (Recorder* recorder = recorders_; recorder != nullptr; recorder = recorder->next_recorder) {
        recorder->settle(now);
        // The writer cannot tell this while it waits for the disk.
        if (!recorder->losing(now) || recorder->troubled.load(std::memory_order_relaxed)) continue;
        output_.event({Event::Type::trouble, recorder->left.id});
        recorder->troubled.store(true, std::memory_order_release);
    }
}

// ---- commands

void Switch::open(Leg& leg) { list(leg); }

void Switch::open(Recorder& recorder) {
    recorder.begin(sample_at(now_));
    list(recorder);
}

// What stays as it was keeps its state: a hold must not be heard as a click.
void Switch::set_format(Leg& leg, Equipment& equipment) {
    if (leg.format.codec != equipment.format.codec) std::swap(leg.coder, equipment.coder);
    if (!leg.tones != !equipment.tones) std::swap(leg.tones, equipment.tones);
    leg.format = equipment.format;
    output_.closed(equipment);
    leg.out.set_clock(clock_ratio(leg.format.codec));
    wake_with_sources(leg);
    wake_listeners(leg);
}

// A direction whose key stays goes on where it was: its packet counter is part of the encryption (RFC 3711 section 3.3.1).
void Switch::set_security(Leg& leg, Security& security) {
    for (const auto direction : {&Security::send, &Security::receive}) {
        std::unique_ptr<Srtp>&used = leg.security.*direction, &wanted = security.*direction;
        if (!used || !wanted || !used->same_key(*wanted)) std::swap(used, wanted);
    }
    output_.closed(security);
}

void Switch::set_remote(Leg& leg, Address address, bool rtcp_mux, Address rtcp) {
    const bool moved = address != leg.origin.signalled();
    leg.reports.signal(rtcp_mux, rtcp, moved);
    leg.probation.settle();
    if (leg.origin.signal(address, now_)) output_.unsettled(leg);
    if (leg.reports.due < 0) schedule_report(leg);
}

void Switch::set_gain(Cell& cell) {
    Node& listener = cell.listener;
    Cell* const old = gains::find(listener, cell.source);
    cell.since = now_;
    cell.from = faded_from(cell, old);
    if (old != nullptr) {
        gains::unlink(*old);
        output_.closed(*old);
    }
    if (cell.gain == 0 && cell.from == 0) output_.closed(cell);
    else gains::link(cell);
    // Who is relayed is heard whole, and a mix that follows goes on from there. Whom the listener heard in a mix until now
    // is brought to that level by the first packet that is relayed.
    const bool mixing = listener.kind == Kind::leg && as_leg(listener).out.mixing();
    const Leg* const direct = gains::feed(listener).direct;
    if (direct != nullptr && !mixing && listener.kind != Kind::side) {
        Cell& relayed = *gains::find(listener, *direct);
        relayed.from = relayed.gain;
    }
    wake_with_sources(listener);
}

// The gain from which the next frame goes to the new one. A hard change of what sounds would be a click, also where
// somebody joins in the middle of a word; what sounds only later is heard whole.
Gain Switch::faded_from(const Cell& cell, const Cell* old) const {
    const bool records = cell.listener.kind == Kind::side;
    if (old == nullptr) return sounds(cell.source) ? 0 : cell.gain;
    if (records) return sounds(cell.source) ? old->from : cell.gain;
    if (cell.gain != 0 && gains::feed(cell.listener).direct == &cell.source) return old->from;
    return gains::mixes(cell.listener) && cell.source.audible_at(now_) ? old->from : cell.gain;
}

// Is it in the middle of something?
bool Switch::sounds(const Node& source) const {
    if (source.kind == Kind::player) return source.audible_at(now_);
    const Nanos last = static_cast<const Leg&>(source).counters.last_packet.get();
    return last != 0 && now_ - last < recent;
}

void Switch::play(Player& player, Sound& sound) {
    player.queue(&sound);
    wake_listeners(player);
    wake(player);
}

void Switch::finish(Player& player) {
    player.finishing = true;
    if (!player.running) end_run(player);
}

void Switch::stop(Player& player) {
    const int rest = player.fade(now_, [this](Parcel* done) { output_.closed(*done); });
    if (gains::reaches(player)) player.heard += rest;
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
        Node& listener = cell->listener;
        gains::unlink(*cell);
        output_.closed(*cell);
        wake(listener);
    }
    unlink(node);
}

void Switch::close(Leg& leg) {
    cancel_report(leg);
    if (leg.reports.written.get() + leg.counters.packets_out.get() > 0) send_report(leg, true);  // RFC 3550 section 6.3.7
    detach(leg);
    unlist(leg);
    output_.closed_leg(leg);
}

void Switch::close(Player& player) {
    detach(player);
    player.drop_all([this](Parcel* done) { output_.closed(*done); });
    output_.closed(player);
}

void Switch::close(Tap& tap) {
    detach(tap);
    hand_over(tap);
    output_.closed_tap(tap);
}

void Switch::close(Recorder& recorder) {
    detach(recorder.left);
    detach(recorder.right);
    unlist(recorder);
    recorder.settle_all(sample_at(now_));
    output_.recorded_all(recorder);
}

}  // namespace media
