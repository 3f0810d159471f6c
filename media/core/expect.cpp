#include "expect.hpp"

#include "gains.hpp"
#include "recorder.hpp"
#include "tap.hpp"

namespace media {

namespace {

// Breadth first: the first cells of all columns, then the second ones.
void prefetch_listeners(std::span<Leg* const> legs) {
    std::array<const Cell*, expected_together> cells{};
    const auto ends = std::transform(legs.begin(), legs.end(), cells.begin(), [](const Leg* leg) { return leg->column; });
    for (bool more = true; std::exchange(more, false);) {
        for (auto at = cells.begin(); at != ends; ++at)
            prefetch(*at, cache_line);
        for (auto at = cells.begin(); at != ends; ++at) {
            if (*at == nullptr) continue;
            (*at)->listener.prefetch();
            *at = (*at)->next_in_column;
            more = true;
        }
    }
}

template <typename Action>
void for_each_listener(std::span<Leg* const> legs, Action action) {
    for (const Leg* leg : legs)
        for (const Cell* cell = leg->column; cell != nullptr; cell = cell->next_in_column) action(*leg, cell->listener);
}

}  // namespace

void expect(std::span<Leg* const> legs) {
    for (const Leg* leg : legs) leg->prefetch();
    for (const Leg* leg : legs) {
        prefetch(leg->coder.get(), cache_line);
        leg->jitter.prefetch_room();
    }
    prefetch_listeners(legs);
    for_each_listener(legs, [](const Leg&, const Node& listener) {
        prefetch(listener.row, cache_line);
        if (listener.kind == Kind::leg) static_cast<const Leg&>(listener).prefetch_sending();
        else if (listener.kind == Kind::tap) static_cast<const Tap&>(listener).prefetch();
        else if (listener.kind == Kind::side) static_cast<const Side&>(listener).recorder.prefetch();
    });
    for_each_listener(legs, [](const Leg& leg, const Node& listener) {
        if (listener.kind == Kind::tap) return static_cast<const Tap&>(listener).prefetch_room();
        if (listener.kind != Kind::side) return;
        const Side& side = static_cast<const Side&>(listener);
        side.recorder.prefetch_room(side.channel, leg.timeline.expected());
    });
}

}  // namespace media
