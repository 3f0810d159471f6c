// A listener whose audio leaves in pieces on a datagram socket.
#pragma once
#include <span>

#include "incoming.hpp"
#include "node.hpp"

namespace media {

struct Tap : Node {
    static constexpr int longest = 5 * frame_samples;

    Tap(int id_, int piece_samples_, int socket_ = -1)
        : Node(id_, Kind::tap), piece_samples(piece_samples_), socket(socket_) {}

    // Cut what arrives into pieces; `send` gets each full one.
    template <typename Send>
    void push(std::span<const Sample> samples, Gain gain, Send send) {
        while (!samples.empty()) {
            const auto run = std::min(samples.size(), static_cast<std::size_t>(piece_samples - filled));
            for (std::size_t i = 0; i < run; ++i)
                piece[static_cast<std::size_t>(filled) + i] = saturate(scaled(samples[i], gain));
            samples = samples.subspan(run);
            filled += static_cast<int>(run);
            if (filled < piece_samples) return;
            send(std::span<const Sample>(piece.data(), static_cast<std::size_t>(piece_samples)));
            filled = 0;
        }
    }

    const int piece_samples;
    std::array<Sample, longest> piece{};
    int filled = 0;
    const int socket;  // the engine's; closed by it
    Counter dropped;
};

}  // namespace media
