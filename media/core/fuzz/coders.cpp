// Payloads that no encoder made, to every decoder.
#include <cstdlib>

#include "../codec.hpp"
#include "quiet.hpp"

using namespace media;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::array codecs{Codec::pcmu, Codec::pcma, Codec::g722, Codec::opus, Codec::l16, Codec::l16_wide};
    fuzz::Reader input(data, size);
    const Codec codec = codecs[static_cast<std::size_t>(input.byte()) % codecs.size()];
    const auto coder = make_coder(codec);
    std::array<Sample, max_samples> samples;
    std::array<std::uint8_t, rtp::max_payload> encoded;
    while (!input.done()) {
        const int head = input.word();
        const rtp::Bytes payload = input.bytes(static_cast<std::size_t>(head & 0x7FFF) % (rtp::max_payload + 1));
        if (payload.empty()) continue;
        ticks(codec, payload);
        if (head & 0x8000) coder->recover(payload, samples);
        const std::size_t count = coder->decode(payload, samples);
        if (count > max_samples) std::abort();
        if (count >= frame_samples) coder->encode(std::span(samples).first(frame_samples), encoded);
    }
    return 0;
}
