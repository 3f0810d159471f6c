// A listener whose audio leaves in 20 ms pieces on a datagram socket.
#pragma once
#include <span>

#include "incoming.hpp"
#include "node.hpp"

namespace media {

struct Tap : Node {
    explicit Tap(int id_, int socket_ = -1) : Node(id_, Kind::tap), socket(socket_) {}

    // Cut what arrives into frames; `send` gets each full one.
    template <typename Send>
    void push(std::span<const Sample> samples, Gain gain, Send send) {
        for (const Sample sample : samples) {
            piece[filled++] = saturate(scaled(sample, gain));
            if (filled == frame_samples) {
                send(piece);
                filled = 0;
            }
        }
    }

    Frame piece{};
    int filled = 0;
    const int socket;  // the engine's; closed by it
    Counter dropped;
};

}  // namespace media
