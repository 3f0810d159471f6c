// How often a media thread looks for packets, by how busy it is.
#pragma once
#include <algorithm>
#include <optional>

#include "samples.hpp"

namespace media {

// Packets of many calls come one by one, and waking up for each costs more than passing it on: going to sleep, asking who
// has got packets, and fetching from memory what the kernel and we touch once in each round. So when they come close
// together they are taken in rounds; whoever comes alone is served at once. Short rounds pass packets on soonest. Where
// the thread's time runs out, longer ones leave more of it for packets. Moments are given, in nanoseconds of one clock.
class Rounds {
  public:
    static constexpr Nanos shortest = 150'000, longest = 2 * millisecond;

    // Until when to sleep after a round that began at `woke`, the one before at `woke_before`, and ended at `done`.
    // Nothing: wait for the next packet.
    std::optional<Nanos> rest(Nanos woke_before, Nanos woke, Nanos done) {
        learn(woke - woke_before, done - woke);
        if (woke - woke_before > 2 * length() || done >= woke + length()) return std::nullopt;
        return woke + length();
    }

  private:
    static constexpr double relaxed = 0.7, full = 0.9;  // shares of the thread's time
    static constexpr double memory = 50.0 * millisecond;

    void learn(Nanos passed, Nanos worked) {
        const double span = std::max(static_cast<double>(passed), 1.0);
        load_ += (std::min(static_cast<double>(worked) / span, 1.0) - load_) * std::min(span / memory, 1.0);
    }

    Nanos length() const {
        const double strain = std::clamp((load_ - relaxed) / (full - relaxed), 0.0, 1.0);
        return shortest + static_cast<Nanos>(strain * static_cast<double>(longest - shortest));
    }

    double load_ = 0;
};

}  // namespace media
