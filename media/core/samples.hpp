// Units of the media core: one clock in nanoseconds, one sample grid of 8 kHz, one frame of 20 ms.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

namespace media {

using Sample = std::int16_t;
using Nanos = std::int64_t;

inline constexpr int frame_samples = 160;
inline constexpr Nanos millisecond = 1'000'000;
inline constexpr Nanos sample_time = 125'000;
inline constexpr Nanos frame_time = frame_samples * sample_time;
inline constexpr int groups = 20;  // ticks are spread over 20 groups, 1 ms apart

using Frame = std::array<Sample, frame_samples>;

// The sample on the common 8 kHz grid that belongs to a moment.
constexpr std::int64_t sample_at(Nanos now) { return now / sample_time; }

constexpr Sample saturate(std::int32_t value) { return static_cast<Sample>(std::clamp(value, -32768, 32767)); }

// Gains are fixed point with 12 fractional bits, so that every implementation rounds alike.
using Gain = std::int32_t;
inline constexpr Gain unity = 1 << 12;

constexpr std::int32_t scaled(Sample sample, Gain gain) {
    return gain == unity ? sample : (static_cast<std::int32_t>(sample) * gain) >> 12;
}

// A level changes over 5 ms, or it would be heard as a click.
inline constexpr int ramp_samples = 40;
constexpr Gain ramp(Gain from, Gain to, int step) {
    return (from * (ramp_samples - 1 - step) + to * (step + 1)) / ramp_samples;
}

}  // namespace media
