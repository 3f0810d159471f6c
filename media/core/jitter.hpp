// The jitter buffer of a leg that sounds in a mix: a ring of samples, read 60 ms after they were due.
#pragma once
#include <cstdint>
#include <span>

#include "placement.hpp"

namespace media {

class JitterBuffer {
  public:
    // Begin empty: the first frame to be read starts at sample `now` or later.
    void start(std::int64_t now) {
        samples_.fill(0);
        placement_.forget();
        played_ = heard_until_ = now;
    }

    void forget_timing() { placement_.forget(); }

    void write(std::uint32_t timestamp, std::int64_t arrival, std::span<const Sample> samples) {
        const auto placed = placement_.place(timestamp, arrival);
        if (!placed) return;
        std::int64_t at = *placed + delay;
        for (const Sample sample : samples) {
            if (at >= played_ && at < played_ + size) samples_[at % size] = sample;
            ++at;
        }
        heard_until_ = std::max(heard_until_, at);
    }

    // Take the frame that begins at `now`; false when the source has nothing to say.
    bool read(std::int64_t now, Frame& frame) {
        for (; played_ < now; ++played_) samples_[played_ % size] = 0;
        for (Sample& sample : frame) {
            sample = samples_[played_ % size];
            samples_[played_++ % size] = 0;
        }
        return now < heard_until_;
    }

  private:
    static constexpr std::int64_t delay = 480;
    static constexpr std::int64_t size = 2048;

    std::array<Sample, size> samples_{};
    Placement placement_{delay, delay};
    std::int64_t played_ = 0;
    std::int64_t heard_until_ = 0;
};

}  // namespace media
