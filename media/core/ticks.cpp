#include "switch.hpp"

namespace media {

// ---- ticks

// First everybody who sounds makes a frame, then everybody who hears takes what there is.
void Switch::tick(int group, Nanos now) {
    Node* const first = ticking_[static_cast<std::size_t>(group)];
    for (Node* node = first; node != nullptr; node = node->next_ticking) produce(*node, now);
    for (Node* node = first; node != nullptr; node = node->next_ticking) consume(*node, now);
    for (Node* node = first; node != nullptr; node = node->next_ticking) drop_faded(*node);
    for (Node* node = first; node != nullptr;) {
        Node* next = node->next_ticking;
        if (node->kind == Kind::leg) {
            as_leg(*node).feeding = gains::mixed(*node);
            if (!gains::mixes(*node)) send_rest(as_leg(*node), now);
        }
        if (!wants_ticks(*node)) unlink(*node);
        node = next;
    }
}

void Switch::produce(Node& node, Nanos now) {
    if (node.kind == Kind::player) return produce(static_cast<Player&>(node), now);
    if (node.kind != Kind::leg || !as_leg(node).feeding) return;
    node.framed = as_leg(node).jitter.read(sample_at(now), node.frame);
    node.framed_at = now;
    ComfortNoise& noise = as_leg(node).noise;
    if (node.framed || !noise.on()) return;
    noise.fill(node.frame);
    node.framed = true;
}

void Switch::produce(Player& player, Nanos now) {
    if (!player.running && !player.fading()) return;
    if (player.finishing && player.first == nullptr) return end_run(player);  // its last frame has been heard by now
    const int real = player.read(player.frame, [this](Parcel* done) { output_.closed(*done); });
    const bool tail = player.add_tail();
    player.framed = real > 0 || tail;
    player.framed_at = now;
    if (player.framed) record(player, sample_at(now), player.frame);
    player.unsent = real;
}

void Switch::consume(Node& node, Nanos now) {
    if (node.kind == Kind::leg) {
        Leg& leg = as_leg(node);
        if (leg.digits_out.busy()) send_digits(leg, now);
        if (gains::mixes(leg)) send_mix(leg, now);
    } else if (node.kind == Kind::tap) {
        Tap& tap = static_cast<Tap&>(node);
        if (!gains::mixes(tap)) return;
        Frame frame;
        mix(tap, now, frame);
        tap.hear_mix(frame);
        hand_over(tap);
    }
}

bool Switch::mix(const Node& listener, Nanos now, Frame& mixed) const {
    std::array<std::int32_t, frame_samples> sums{};
    bool heard = false;
    for (Cell* cell = listener.row; cell != nullptr; cell = cell->next_in_row) {
        if (!cell->source.audible_at(now)) {
            cell->from = cell->gain;
            continue;
        }
        heard = true;
        if (listener.kind == Kind::leg && cell->source.kind == Kind::player) static_cast<Player&>(cell->source).sent();
        const Frame& frame = cell->source.frame;
        const int ramped = cell->from == cell->gain ? 0 : ramp_samples;
        for (int i = 0; i < ramped; ++i) sums[i] += scaled(frame[i], ramp(cell->from, cell->gain, i));
        for (int i = ramped; i < frame_samples; ++i) sums[i] += scaled(frame[i], cell->gain);
        cell->from = cell->gain;
    }
    std::transform(sums.begin(), sums.end(), mixed.begin(), saturate);
    return heard;
}

// What a gain of zero was the end of has been faded out by now.
void Switch::drop_faded(Node& listener) {
    for (Cell *cell = listener.row, *next; cell != nullptr; cell = next) {
        next = cell->next_in_row;
        if (cell->gain != 0) continue;
        gains::unlink(*cell);
        output_.closed(*cell);
    }
}

void Switch::send_mix(Leg& leg, Nanos now) {
    Frame frame;
    if (!leg.origin.known()) return;
    if (!mix(leg, now, frame)) return send_rest(leg, now);
    leg.packing.add(frame, now, leg.format.packet_samples,
                    [&](std::span<const Sample> samples, bool fresh) { send_samples(leg, now, samples, fresh); });
}

// The end of a mix seldom fills a packet: that one is shorter. Behind what has been relayed since it would be out of place.
void Switch::send_rest(Leg& leg, Nanos now) {
    leg.packing.end([&](std::span<const Sample> samples, bool fresh) {
        if (!leg.out.relaying()) send_samples(leg, now, samples, fresh);
    });
}

void Switch::send_samples(Leg& leg, Nanos now, std::span<const Sample> samples, bool fresh) {
    const std::span<std::uint8_t> room = std::span(packet_).subspan(rtp::header_size, rtp::max_payload);
    const std::size_t size = leg.coder->encode(samples, room);
    rtp::Header header = leg.out.frame(now, static_cast<int>(samples.size()), fresh);
    header.payload_type = leg.format.payload_type;
    send(leg, header, size);
}

void Switch::end_run(Player& player) {
    output_.event({Event::Type::play_finished, player.id, player.heard});
    player.running = player.finishing = false;
    player.framed = player.framed && player.fading();
    player.heard = 0;
}

// ---- who takes part in ticks

bool Switch::wants_ticks(Node& node) const {
    switch (node.kind) {
        case Kind::leg:
            return as_leg(node).digits_out.busy() || gains::mixes(node) || gains::mixed(node);
        case Kind::player:
            return static_cast<Player&>(node).sounding();
        case Kind::tap:
            return gains::mixes(node);
        case Kind::side:
            return false;
    }
    return false;
}

// A source joins the group of that listener who is due first: its frame is heard in the tick that made it, and nobody
// who begins with it has a first frame without it. Everybody else joins the group that is due next: nothing begins later
// than a millisecond from now, and load spreads by itself.
void Switch::wake(Node& node) {
    if (node.kind == Kind::leg) take_over(as_leg(node));
    if (node.kind == Kind::leg && !as_leg(node).feeding && gains::mixed(node)) {
        as_leg(node).feeding = true;
        as_leg(node).jitter.start(sample_at(now_));
    }
    if (node.group >= 0 || !wants_ticks(node)) return;
    std::int64_t first = groups;  // slots until then
    for (const Cell* cell = node.column; cell != nullptr; cell = cell->next_in_column)
        if (const int group = cell->listener.group; group >= 0)
            first = std::min(first, (group - slot_ % groups + groups - 1) % groups);
    link(node, static_cast<int>((slot_ + 1 + first % groups) % groups));
}

void Switch::wake_with_sources(Node& listener) {
    wake(listener);
    for (Cell* cell = listener.row; cell != nullptr; cell = cell->next_in_row) wake(cell->source);
}

// All who hear it have their places before any source looks for one among them.
void Switch::wake_listeners(Node& source) {
    for (Cell* cell = source.column; cell != nullptr; cell = cell->next_in_column) wake(cell->listener);
    for (Cell* cell = source.column; cell != nullptr; cell = cell->next_in_column) wake_with_sources(cell->listener);
}

void Switch::link(Node& node, int group) {
    Node*& first = ticking_[static_cast<std::size_t>(group)];
    node.group = group;
    node.previous_ticking = nullptr;
    node.next_ticking = first;
    if (first != nullptr) first->previous_ticking = &node;
    first = &node;
}

void Switch::unlink(Node& node) {
    if (node.group < 0) return;
    take_out(node);
    node.group = -1;
    node.framed = false;
}

void Switch::take_out(Node& node) {
    Node*& first = ticking_[static_cast<std::size_t>(node.group)];
    (node.previous_ticking != nullptr ? node.previous_ticking->next_ticking : first) = node.next_ticking;
    if (node.next_ticking != nullptr) node.next_ticking->previous_ticking = node.previous_ticking;
}

}  // namespace media
