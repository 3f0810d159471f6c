#include "switch.hpp"

namespace media {

// ---- who is here

void Switch::list(Leg& leg) {
    leg.previous_leg = nullptr;
    leg.next_leg = legs_;
    if (legs_ != nullptr) legs_->previous_leg = &leg;
    legs_ = &leg;
}

void Switch::unlist(Leg& leg) {
    (leg.previous_leg != nullptr ? leg.previous_leg->next_leg : legs_) = leg.next_leg;
    if (leg.next_leg != nullptr) leg.next_leg->previous_leg = leg.previous_leg;
}

void Switch::list(Recorder& recorder) {
    recorder.previous_recorder = nullptr;
    recorder.next_recorder = recorders_;
    if (recorders_ != nullptr) recorders_->previous_recorder = &recorder;
    recorders_ = &recorder;
}

void Switch::unlist(Recorder& recorder) {
    (recorder.previous_recorder != nullptr ? recorder.previous_recorder->next_recorder : recorders_) =
        recorder.next_recorder;
    if (recorder.next_recorder != nullptr) recorder.next_recorder->previous_recorder = recorder.previous_recorder;
}

namespace {

// Both sides move; the recorder itself is listed once.
Recorder* recorder_of(Node& node) {
    if (node.kind != Kind::side || static_cast<Side&>(node).channel != 0) return nullptr;
    return &static_cast<Side&>(node).recorder;
}

}  // namespace

// ---- leaving

// A node keeps its group and its last frame, so that its next tick is the one that it would have had here.
void Switch::leave(Handover& nodes) {
    for (Node* node : nodes.nodes) {
        cut_fading(*node, nodes);
        if (node->group >= 0) take_out(*node);
        if (Recorder* recorder = recorder_of(*node)) unlist(*recorder);
        if (node->kind != Kind::leg) continue;
        Leg& leg = as_leg(*node);
        unlist(leg);
        if (leg.reports.due >= 0) unlink_report(leg);
        output_.leaving(leg);
    }
    nodes.now = now_;
    nodes.slot = slot_;
    output_.left(nodes);
}

// What ties a node to those who stay has been given up long enough ago to have faded out. Should a thread be so late
// that it has not, then it ends here.
void Switch::cut_fading(Node& node, const Handover& staying_together) {
    const auto cut = [&](Cell* cell) {
        gains::unlink(*cell);
        output_.closed(*cell);
    };
    for (Cell *cell = node.row, *next; cell != nullptr; cell = next) {
        next = cell->next_in_row;
        if (!staying_together.includes(cell->source)) cut(cell);
    }
    for (Cell *cell = node.column, *next; cell != nullptr; cell = next) {
        next = cell->next_in_column;
        if (!staying_together.includes(cell->listener)) cut(cell);
    }
}

// ---- arriving

// Two threads are seldom at the same millisecond. Whoever comes from behind has the ticks that are missing in a switch
// of their own; whoever comes from ahead waits for ours. So each frame is made once, wherever it is made.
void Switch::arrive(const Handover& nodes) {
    advance(nodes.now);
    Switch guests(output_, silence_after_);
    guests.now_ = nodes.now;
    guests.slot_ = nodes.slot;
    guests.admit(nodes);
    guests.advance(std::max(nodes.now, slot_ * millisecond));
    adopt(guests);
    for (Node* node : nodes.nodes) {
        if (node->kind != Kind::leg) continue;
        Leg& leg = as_leg(*node);
        if (leg.reports.due >= 0) {
            leg.reports.due = std::max(leg.reports.due, reported_ + 1);  // what should have gone out in between goes next
            link_report(leg);
        }
        output_.arrived(leg);
    }
}

void Switch::admit(const Handover& nodes) {
    for (Node* node : nodes.nodes) {
        if (node->group >= 0) link(*node, node->group);
        if (node->kind == Kind::leg) list(as_leg(*node));
        if (Recorder* recorder = recorder_of(*node)) list(*recorder);
    }
}

void Switch::adopt(Switch& guests) {
    for (int group = 0; group < groups; ++group)
        while (Node* node = guests.ticking_[static_cast<std::size_t>(group)]) {
            guests.take_out(*node);
            link(*node, group);
        }
    while (Leg* leg = guests.legs_) {
        guests.unlist(*leg);
        list(*leg);
    }
    while (Recorder* recorder = guests.recorders_) {
        guests.unlist(*recorder);
        list(*recorder);
    }
}

}  // namespace media
