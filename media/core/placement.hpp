// Where a packet's samples belong on the common sample grid: by RTP timestamp, anchored to an arrival.
#pragma once
#include <cstdint>
#include <optional>

#include "samples.hpp"

namespace media {

// A packet within the window keeps its place by timestamp. One outside is left out; five in a row mean that the
// sender's clock or the path has changed, so the fifth becomes the new anchor. A jump of over a second re-anchors at once.
class Placement {
  public:
    constexpr Placement(std::int64_t late, std::int64_t early) : late_(late), early_(early) {}

    void forget() { anchored_ = false; }

    std::optional<std::int64_t> place(std::uint32_t timestamp, std::int64_t arrival) {
        if (!anchored_) return anchor(timestamp, arrival);
        const std::int64_t expected = position_ + static_cast<std::int32_t>(timestamp - timestamp_);
        const std::int64_t deviation = expected - arrival;
        if (deviation >= -late_ && deviation <= early_) {
            strikes_ = 0;
            timestamp_ = timestamp;
            position_ = expected;
            return expected;
        }
        const bool jumped = deviation > 8000 || deviation < -8000;
        if (jumped || ++strikes_ >= 5) return anchor(timestamp, arrival);
        return std::nullopt;
    }

    // Where the next packet begins, should it follow on the newest.
    std::int64_t expected() const { return position_ + frame_samples; }

  private:
    std::int64_t anchor(std::uint32_t timestamp, std::int64_t arrival) {
        anchored_ = true;
        strikes_ = 0;
        timestamp_ = timestamp;
        position_ = arrival;
        return arrival;
    }

    std::int64_t late_, early_;
    bool anchored_ = false;
    int strikes_ = 0;
    std::uint32_t timestamp_ = 0;
    std::int64_t position_ = 0;
};

}  // namespace media
