// What is heard where packets are missing: the last pitch period again, dying away, and no click at either end.
#pragma once
#include <span>

#include "prefetch.hpp"
#include "samples.hpp"

namespace media {

class Concealment {
  public:
    // `scale`: samples for each one of 8 kHz, 1 or 2.
    explicit Concealment(int scale = 1) : scale_(scale) {}

    // Nothing has been heard yet, or not lately: there is nothing to go on with.
    void forget() { lost_ = longest(); }
    bool exhausted() const { return lost_ >= longest(); }

    // Samples that were heard.
    void remember(std::span<const Sample> heard) {
        if (heard.size() > kept()) heard = heard.last(kept());
        while (!heard.empty()) {
            const auto run = heard.first(std::min(heard.size(), kept() - oldest_));
            std::copy(run.begin(), run.end(), history_.begin() + static_cast<std::ptrdiff_t>(oldest_));
            heard = heard.subspan(run.size());
            oldest_ = (oldest_ + run.size()) % kept();
        }
        lost_ = 0;
    }

    // The next frame to be remembered will be written there.
    void prefetch() const { media::prefetch(&history_[oldest_], sizeof(Frame)); }

    // Samples that are missing.
    void fill(std::span<Sample> missing) {
        if (missing.empty()) return;
        if (lost_ == 0) begin();
        for (Sample& sample : missing) sample = continued(lost_++);
    }

    // The first samples after a loss: what was made up fades into them.
    void join(std::span<Sample> heard) const {
        if (lost_ == 0) return;
        const int count = std::min(joining(), static_cast<int>(heard.size()));
        for (int i = 0; i < count; ++i) {
            const Gain real = unity * (i + 1) / count;
            Sample& sample = heard[static_cast<std::size_t>(i)];
            sample = static_cast<Sample>((sample * real + continued(lost_ + i) * (unity - real)) >> 12);
        }
    }

  private:
    int joining() const { return 10 * scale_; }   // 1.25 ms: longer would only spoil more of what was said
    int whole() const { return 80 * scale_; }     // unchanged for 10 ms …
    int longest() const { return 480 * scale_; }  // … silent after 60
    std::size_t kept() const { return 320 * static_cast<std::size_t>(scale_); }

    // The lag at which the last 10 ms resemble what came before them most: pitches of 50 to 200 Hz, and their multiples.
    void begin() {
        const auto oldest = history_.begin() + static_cast<std::ptrdiff_t>(oldest_);
        std::rotate_copy(history_.begin(), oldest, history_.begin() + static_cast<std::ptrdiff_t>(kept()), base_.begin());
        std::int32_t best = INT32_MAX;
        const int compared = 80 * scale_;
        const Sample* const last = base_.data() + kept() - compared;
        for (int lag = 40 * scale_; lag <= 160 * scale_; ++lag) {
            std::int32_t difference = 0;
            for (int i = 0; i < compared; ++i) difference += std::abs(last[i] - last[i - lag]);
            if (difference >= best) continue;
            best = difference;
            lag_ = lag;
        }
        close_period();
    }

    // The end of the period fades into what stood before its beginning, and so goes round without a seam.
    void close_period() {
        const int count = lag_ / 4;
        Sample* const end = base_.data() + kept() - count;
        for (int i = 0; i < count; ++i) {
            const Gain before = unity * (i + 1) / count;
            end[i] = static_cast<Sample>((end[i] * (unity - before) + end[i - lag_] * before) >> 12);
        }
    }

    Sample continued(int at) const {
        const Gain gain = std::clamp(unity - (at - whole()) * unity / (longest() - whole()), 0, unity);
        return static_cast<Sample>((base_[kept() - static_cast<std::size_t>(lag_ - at % lag_)] * gain) >> 12);
    }

    const int scale_;
    int lost_ = longest();                         // samples made up since
    int lag_ = 40;
    std::size_t oldest_ = 0;                       // where what is remembered begins, and the next will be written
    std::array<Sample, 640> history_{}, base_{};  // what was heard, in a ring, and what is repeated, in order
};

}  // namespace media
