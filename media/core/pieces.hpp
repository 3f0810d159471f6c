// What a tap's reader has yet to take: whole pieces, each as the datagram that it will be. They wait here and not in the
// socket, where nothing can be taken back: who is slow loses the oldest, and the positions tell how much that was.
#pragma once
#include <cstring>
#include <span>
#include <vector>

#include "incoming.hpp"
#include "prefetch.hpp"

namespace media {

enum class Taken { yes, later, never };  // later: the reader is slow; never: it is gone

class Pieces {
  public:
    // `piece`: samples in each; `kept`: how many wait at most.
    Pieces(std::size_t piece, std::size_t kept) : piece_(piece), slots_(kept + 1), ring_(slots_ * (header + piece)) {}

    void put(std::span<const Sample> samples, Gain gain) {
        while (!samples.empty()) {
            const std::size_t run = std::min(samples.size(), piece_ - filled_);
            Sample* to = slot(whole_) + header + filled_;
            for (std::size_t i = 0; i < run; ++i) to[i] = saturate(scaled(samples[i], gain));
            samples = samples.subspan(run);
            filled_ += run;
            if (filled_ == piece_) complete();
        }
    }

    // The next frame will be put there.
    void prefetch() const { media::prefetch(&ring_[whole_ % slots_ * (header + piece_) + header + filled_], sizeof(Frame)); }

    bool waiting() const { return first_ < whole_; }

    // Offer them to `take`, oldest first, until it says `later`.
    template <typename Take>
    void hand_over(Take take) {
        for (; waiting(); ++first_) {
            const Taken taken = take(std::as_bytes(std::span(slot(first_), header + piece_)));
            if (taken == Taken::later) return;
            if (taken == Taken::never) dropped.add(1);
        }
    }

    // What was put last; silence where that is more than ever was.
    void last(std::span<Sample> past) {
        std::size_t piece = whole_, at = filled_;
        for (auto to = past.rbegin(); to != past.rend(); ++to) {
            if (at == 0) {
                if (piece-- == 0) return std::fill(to, past.rend(), Sample{0});
                at = piece_;
            }
            *to = slot(piece)[header + --at];
        }
    }

    Counter dropped;

  private:
    static constexpr std::size_t header = sizeof(std::int64_t) / sizeof(Sample);

    Sample* slot(std::size_t number) { return &ring_[number % slots_ * (header + piece_)]; }

    void complete() {
        const auto position = static_cast<std::int64_t>(whole_ * piece_);
        std::memcpy(slot(whole_), &position, sizeof position);
        ++whole_;
        filled_ = 0;
        if (whole_ - first_ < slots_) return;
        ++first_;
        dropped.add(1);
    }

    const std::size_t piece_, slots_;  // of the slots one is being filled
    std::vector<Sample> ring_;
    std::size_t first_ = 0, whole_ = 0;  // pieces since the beginning: the oldest that waits, and behind the newest
    std::size_t filled_ = 0;             // samples of the piece that is being filled
};

}  // namespace media
