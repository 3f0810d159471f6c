// ITU-T G.711 as tables that the compiler computes: decode by byte, encode by the top 14 bits of a sample.
#pragma once
#include <array>
#include <cstdint>
#include <span>

#include "codec.hpp"

namespace media::g711 {

// G.711 table 2a: even bits are inverted on the line (0x55), the top bit is set for positive samples.
constexpr Sample decode_alaw(std::uint8_t code) {
    const unsigned bits = code ^ 0x55u;
    const unsigned segment = (bits >> 4) & 7, step = bits & 15;
    const int magnitude = segment == 0 ? int(step * 16 + 8) : int((step * 16 + 264) << (segment - 1));
    return static_cast<Sample>(bits & 0x80 ? magnitude : -magnitude);
}

// G.711 table 1a, on 13-bit samples; `sample` is 16 bit.
constexpr std::uint8_t encode_alaw(int sample) {
    const bool positive = sample >= 0;
    unsigned magnitude = unsigned(positive ? sample : ~sample) >> 4, segment = 0;
    if (magnitude > 15) {
        for (segment = 1; magnitude > 31; ++segment) magnitude >>= 1;
        magnitude -= 16;
    }
    return static_cast<std::uint8_t>((segment << 4 | magnitude | (positive ? 0x80u : 0u)) ^ 0x55u);
}

// G.711 table 2b: all bits are inverted on the line; 33 is the bias of the companding curve.
constexpr Sample decode_ulaw(std::uint8_t code) {
    const unsigned bits = ~code & 0xFFu;
    const unsigned segment = (bits >> 4) & 7, step = bits & 15;
    const int magnitude = (int((step * 2 + 33) << segment) - 33) * 4;
    return static_cast<Sample>(bits & 0x80 ? -magnitude : magnitude);
}

// G.711 table 1b, on 14-bit samples; `sample` is 16 bit.
constexpr std::uint8_t encode_ulaw(int sample) {
    const bool positive = sample >= 0;
    unsigned magnitude = (unsigned(positive ? sample : ~sample) >> 2) + 33, segment = 0;
    if (magnitude > 0x1FFF) magnitude = 0x1FFF;
    for (unsigned rest = magnitude >> 6; rest != 0; rest >>= 1) ++segment;
    const unsigned step = (magnitude >> (segment + 1)) & 15;
    return static_cast<std::uint8_t>(~(segment << 4 | step | (positive ? 0u : 0x80u)));
}

struct Tables {
    std::array<Sample, 256> decode{};
    std::array<std::uint8_t, 16384> encode{};
};

template <auto Decode, auto Encode>
constexpr Tables tables() {
    Tables made;
    for (int code = 0; code < 256; ++code) made.decode[code] = Decode(static_cast<std::uint8_t>(code));
    for (int index = 0; index < 16384; ++index) {
        const int sample = (index < 8192 ? index : index - 16384) * 4;
        made.encode[index] = Encode(sample);
    }
    return made;
}

inline constexpr Tables alaw = tables<decode_alaw, encode_alaw>();
inline constexpr Tables ulaw = tables<decode_ulaw, encode_ulaw>();

constexpr const Tables& of(Codec codec) { return codec == Codec::pcma ? alaw : ulaw; }

inline void decode(Codec codec, rtp::Bytes payload, Sample* samples) {
    const Tables& law = of(codec);
    std::transform(payload.begin(), payload.end(), samples, [&law](std::uint8_t code) { return law.decode[code]; });
}

constexpr std::uint8_t encode(const Tables& law, Sample sample) {
    return law.encode[static_cast<std::uint16_t>(sample) >> 2];
}

constexpr std::array<std::uint8_t, 256> translation(const Tables& from, const Tables& to) {
    std::array<std::uint8_t, 256> made{};
    for (int code = 0; code < 256; ++code) made[code] = encode(to, from.decode[code]);
    return made;
}

inline constexpr std::array<std::uint8_t, 256> alaw_to_ulaw = translation(alaw, ulaw);
inline constexpr std::array<std::uint8_t, 256> ulaw_to_alaw = translation(ulaw, alaw);

}  // namespace media::g711
