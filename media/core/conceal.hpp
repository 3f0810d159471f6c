// What is heard where packets are missing: the last pitch period again, dying away, and no click at either end.
#pragma once
#include <span>

#include "samples.hpp"

namespace media {

class Concealment {
  public:
    // Nothing has been heard yet, or not lately: there is nothing to go on with.
    void forget() { lost_ = longest; }
    bool exhausted() const { return lost_ >= longest; }

    // Samples that were heard.
    void remember(std::span<const Sample> heard) {
        const std::size_t count = std::min(heard.size(), history_.size());
        std::copy(history_.begin() + static_cast<std::ptrdiff_t>(count), history_.end(), history_.begin());
        std::copy(heard.end() - static_cast<std::ptrdiff_t>(count), heard.end(),
                  history_.end() - static_cast<std::ptrdiff_t>(count));
        lost_ = 0;
    }

    // Samples that are missing.
    void fill(std::span<Sample> missing) {
        if (missing.empty()) return;
        if (lost_ == 0) begin();
        for (Sample& sample : missing) sample = continued(lost_++);
    }

    // The first samples after a loss: what was made up fades into them.
    void join(std::span<Sample> heard) const {
        if (lost_ == 0) return;
        const int count = std::min<int>(ramp_samples, static_cast<int>(heard.size()));
        for (int i = 0; i < count; ++i) {
            const Gain real = ramp(0, unity, i);
            Sample& sample = heard[static_cast<std::size_t>(i)];
            sample = static_cast<Sample>((sample * real + continued(lost_ + i) * (unity - real)) >> 12);
        }
    }

  private:
    static constexpr int whole = 80, longest = 480;            // unchanged for 10 ms, silent after 60
    static constexpr int compared = 80, shortest_lag = 40, longest_lag = 160;  // pitches of 50 to 200 Hz, and their multiples

    // The lag at which the last 10 ms resemble what came before them most.
    void begin() {
        base_ = history_;
        std::int32_t best = INT32_MAX;
        const Sample* const last = base_.data() + base_.size() - compared;
        for (int lag = shortest_lag; lag <= longest_lag; ++lag) {
            std::int32_t difference = 0;
            for (int i = 0; i < compared; ++i) difference += std::abs(last[i] - last[i - lag]);
            if (difference >= best) continue;
            best = difference;
            lag_ = lag;
        }
    }

    Sample continued(int at) const {
        const Gain gain = std::clamp(unity - (at - whole) * unity / (longest - whole), 0, unity);
        return static_cast<Sample>((base_[base_.size() - static_cast<std::size_t>(lag_ - at % lag_)] * gain) >> 12);
    }

    std::array<Sample, 320> history_{}, base_{};  // what was heard, and what is repeated
    int lost_ = longest;                           // samples made up since
    int lag_ = shortest_lag;
};

}  // namespace media
