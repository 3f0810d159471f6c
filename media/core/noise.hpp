// Comfort noise (RFC 3389): what is heard from a far end that sends none of its silence.
#pragma once
#include <cmath>
#include <numbers>

#include "rtp.hpp"
#include "samples.hpp"

namespace media {

// White noise at the level that the far end tells; the spectrum that it may tell as well (section 3.2) is left aside.
class ComfortNoise {
  public:
    void begin(rtp::Bytes payload) {
        const double level = -(payload[0] & 0x7F);  // in dBov, section 3.1
        const double peak = 32768 * std::numbers::sqrt3 * std::pow(10, level / 20);  // of evenly spread samples
        peak_ = static_cast<std::int32_t>(std::min(std::floor(peak + 0.5), 32767.0));
        on_ = true;
    }
    void end() { on_ = false; }
    bool on() const { return on_; }
    // As loud as another, but not the same.
    void follow(const ComfortNoise& other) {
        on_ = other.on_;
        peak_ = other.peak_;
    }

    void fill(std::span<Sample> samples) {
        for (Sample& sample : samples) {
            seed_ = seed_ * 1664525 + 1013904223;  // Numerical Recipes' generator; its upper half is random enough here
            sample = static_cast<Sample>((static_cast<std::int16_t>(seed_ >> 16) * peak_) >> 15);
        }
    }

  private:
    bool on_ = false;
    std::int32_t peak_ = 0;
    std::uint32_t seed_ = 1;
};

}  // namespace media
