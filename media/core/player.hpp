// A source that plays queued sounds, one after another, without a gap between them.
#pragma once
#include <memory>
#include <vector>

#include "node.hpp"

namespace media {

// Samples that nobody changes any more. They stay where they are while anybody plays them; the last one frees them.
class SharedSamples {
  public:
    SharedSamples(std::vector<Sample> samples) {
        const auto kept = std::make_shared<const std::vector<Sample>>(std::move(samples));
        samples_ = *kept;
        owner_ = kept;
    }
    SharedSamples(std::shared_ptr<const void> owner, std::span<const Sample> samples)
        : owner_(std::move(owner)), samples_(samples) {}
    std::span<const Sample> get() const { return samples_; }

  private:
    std::shared_ptr<const void> owner_;
    std::span<const Sample> samples_;
};

// What a player is to play. The media thread hands it back when that is done, and the control side lets it go.
struct Sound : Parcel {
    Sound(SharedSamples samples_, bool loop_) : samples(std::move(samples_)), loop(loop_) {}
    const SharedSamples samples;
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
    std::int64_t heard = 0;  // samples of this run that were sent to somebody …
    int unsent = 0;          // … and those of the frame that may be yet

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
            const auto samples = first->samples.get();
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

    // The frame went out to one of those who hear it; to the others it is the same.
    void sent() { heard += std::exchange(unsent, 0); }

    bool fading() const { return tail_samples_ > 0; }
    bool sounding() const { return running || fading(); }

    // Before everything is dropped: the next frame begins with a last 5 ms that die away, where something was sounding;
    // returns how many samples are still to be sent.
    template <typename Discard>
    int fade(Nanos now, Discard discard) {
        const int waiting = std::exchange(unsent, 0);
        if (!running || !audible_at(now)) return 0;
        Frame next;
        const int real = std::min(read(next, discard), ramp_samples);
        for (int i = 0; i < real; ++i)
            tail_[static_cast<std::size_t>(i)] = saturate(scaled(next[static_cast<std::size_t>(i)], ramp(unity, 0, i)));
        tail_samples_ = real;
        tail_out_ = false;
        return real > 0 ? waiting + real : 0;
    }

    // True when there was a tail to add to the frame. It counts as sounding until everybody has taken that.
    bool add_tail() {
        if (std::exchange(tail_out_, false)) tail_samples_ = 0;
        for (int i = 0; i < tail_samples_; ++i) {
            Sample& sample = frame[static_cast<std::size_t>(i)];
            sample = saturate(sample + tail_[static_cast<std::size_t>(i)]);
        }
        return tail_out_ = fading();
    }

    template <typename Discard>
    void drop_all(Discard discard) {
        while (first != nullptr) drop_first(discard);
        played = 0;
    }

  private:
    std::array<Sample, ramp_samples> tail_{};
    int tail_samples_ = 0;
    bool tail_out_ = false;

    template <typename Discard>
    void drop_first(Discard discard) {
        Sound* done = first;
        first = done->next;
        if (first == nullptr) last = nullptr;
        discard(done);
    }
};

}  // namespace media
