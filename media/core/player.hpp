// A source that plays queued sounds, one after another, without a gap between them.
#pragma once
#include <vector>

#include "node.hpp"

namespace media {

// A piece of audio. The control side allocates it and the media thread hands it back when it has been played.
struct Sound : Parcel {
    Sound(std::vector<Sample> samples_, bool loop_) : samples(std::move(samples_)), loop(loop_) {}
    const std::vector<Sample> samples;
    const bool loop;
    Sound* next = nullptr;
};

// A run begins with `play` or `finish` and ends when the queue is dry after `finish`, or with `stop`.
struct Player : Node {
    explicit Player(int id_) : Node(id_, Kind::player) {}

    Sound* first = nullptr;
    Sound* last = nullptr;
    std::size_t played = 0;  // samples of `first` that are out
    bool running = false;
    bool finishing = false;
    std::int64_t heard = 0;  // samples of this run that had a listener

    void queue(Sound* sound) {
        (last == nullptr ? first : last->next) = sound;
        last = sound;
        running = true;
    }

    // Take the next frame, zero padded where the queue runs dry; returns how many samples are real.
    template <typename Discard>
    int read(Frame& out, Discard discard) {
        int filled = 0;
        while (first != nullptr && filled < frame_samples) {
            const auto& samples = first->samples;
            const auto count = std::min<std::size_t>(samples.size() - played, frame_samples - filled);
            std::copy_n(samples.begin() + static_cast<std::ptrdiff_t>(played), count, out.begin() + filled);
            filled += static_cast<int>(count);
            played += count;
            if (played < samples.size()) break;
            played = 0;
            if (first->loop && first->next == nullptr) continue;
            drop_first(discard);
        }
        std::fill(out.begin() + filled, out.end(), Sample{0});
        return filled;
    }

    template <typename Discard>
    void drop_all(Discard discard) {
        while (first != nullptr) drop_first(discard);
        played = 0;
    }

  private:
    template <typename Discard>
    void drop_first(Discard discard) {
        Sound* done = first;
        first = done->next;
        if (first == nullptr) last = nullptr;
        discard(done);
    }
};

}  // namespace media
