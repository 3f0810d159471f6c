// How often a media thread looks for packets, by how busy it is.
#pragma once
#include <algorithm>
#include <optional>
#include <utility>

#include "samples.hpp"

namespace media {

// Packets of many calls come one by one, and waking up for each costs more than passing it on: going to sleep, asking who
// has got packets, and fetching from memory what the kernel and we touch once in each round. So when they come close
// together they are taken in rounds; whoever comes alone is served at once. Short rounds pass packets on soonest. Where
// the thread's time runs out, longer ones leave more of it for packets. Moments are given, in nanoseconds of one clock.
class Rounds {
  public:
    static constexpr Nanos shortest = 150'000, longest = 2 * millisecond;

    // Until when to sleep after a round that began at `woke` and ended at `done`. Nothing: wait for the next packet.
    // Where there is more to do than time for it, a twentieth of the time is slept all the same: Linux stops a real-time
    // thread that wants more for 50 ms in each second (kernel.sched_rt_runtime_us).
    std::optional<Nanos> rest(Nanos woke, Nanos done) {
        const Nanos idle = woke - std::exchange(done_, done), worked = done - woke;
        learn(static_cast<double>(idle), static_cast<double>(worked));
        if (idle > 2 * length()) return std::nullopt;
        return std::max(woke + length(), done + std::min(worked / 19, longest));  // longer ones are no rounds: we were stopped
    }

  private:
    static constexpr double relaxed = 0.7, full = 0.9;  // shares of the thread's time
    static constexpr double memory = 50.0 * millisecond;

    void learn(double idle, double worked) {
        const double span = std::max(idle + worked, 1.0);
        load_ += (worked / span - load_) * std::min(span / memory, 1.0);
    }

    Nanos length() const {
        const double strain = std::clamp((load_ - relaxed) / (full - relaxed), 0.0, 1.0);
        return shortest + static_cast<Nanos>(strain * static_cast<double>(longest - shortest));
    }

    double load_ = 0;
    Nanos done_ = 0;
};

}  // namespace media
