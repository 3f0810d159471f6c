// The jitter buffer of a leg that sounds in a mix. It finds its delay by what is left in it after each frame: when it
// runs dry it waits, and so grows by just what was missing; when more is left over for seconds than is needed, frames
// are played a little faster. That also takes up the drift between two clocks.
#pragma once
#include <bitset>
#include <cstdint>
#include <span>

#include "conceal.hpp"

namespace media {

class JitterBuffer {
  public:
    static constexpr std::int64_t longest = 1600;  // 200 ms

    // Samples that went past it, by relay: what a mix begins with follows on them.
    void remember(std::int64_t now, std::span<const Sample> samples) {
        concealment_.remember(samples);
        used_ = now + static_cast<std::int64_t>(samples.size());
        anchored_ = false;
    }

    // Its own state, which every packet touches; and where the samples of the next will be written.
    void prefetch() const { media::prefetch(this, 2 * cache_line); }
    void prefetch_room() const {
        if (!anchored_) return concealment_.prefetch();
        media::prefetch(&samples_[place(end_)], sizeof(Frame));
        media::prefetch(&here_, &here_ + 1);
    }

    // From now on frames will be read.
    void start(std::int64_t now) {
        if (now - used_ > 480) concealment_.forget();
        forget_timing();
    }

    // The sender's stream begins anew.
    void forget_timing() {
        anchored_ = false;
        waited_ = 0;
    }

    void write(std::uint32_t timestamp, std::span<const Sample> samples) {
        const auto count = static_cast<std::int64_t>(samples.size());
        if (!anchored_) anchor(timestamp, count);
        std::int64_t at = next_ + static_cast<std::int32_t>(timestamp - static_cast<std::uint32_t>(next_));
        if (at + count <= next_) {
            if (next_ - at <= jump && ++late_ < 5) return;
            at = anchor(timestamp, count);
        } else if (at - next_ > longest) {
            at = anchor(timestamp, count);
        }
        late_ = 0;
        if (at > next_) next_ += std::min(waited_, at - next_);  // that much of the hole has been filled by waiting
        waited_ = 0;
        for (std::int64_t i = std::max<std::int64_t>(0, next_ - at); i < count; ++i) {
            samples_[place(at + i)] = samples[static_cast<std::size_t>(i)];
            here_.set(place(at + i));
        }
        end_ = std::max(end_, at + count);
    }

    // Take the frame that begins at `now`; false when the source has nothing to say.
    bool read(std::int64_t now, Frame& frame) {
        used_ = now;
        const std::int64_t waiting = anchored_ ? std::max<std::int64_t>(0, end_ - next_) : 0;
        int faster = std::clamp(surplus_, -4, 4);
        if (waiting < frame_samples + faster) faster = 0;
        surplus_ -= faster;
        const auto count = static_cast<int>(std::min<std::int64_t>(waiting, frame_samples + faster));
        if (count == 0 && concealment_.exhausted()) return wait_silently(), false;
        std::array<Sample, frame_samples + 4> taken;
        take(std::span(taken).first(static_cast<std::size_t>(count)));
        if (count < frame_samples + faster) {
            concealment_.fill(std::span(taken).subspan(static_cast<std::size_t>(count), frame_samples - static_cast<std::size_t>(count)));
            wait(frame_samples - count);
        }
        stretch(taken, frame_samples + faster, frame);
        judge();
        return true;
    }

    // What would be read next, up to a hole; for a listener who from now on hears this leg by relay.
    std::span<const Sample> rest(std::int64_t now, std::span<Sample> room) const {
        std::size_t count = 0;
        if (anchored_ && now - used_ <= 2 * frame_samples)
            for (std::int64_t at = next_; at < end_ && count < room.size() && here_[place(at)]; ++at)
                room[count++] = samples_[place(at)];
        return room.first(count);
    }

  private:
    static constexpr std::int64_t size = 4096, first_delay = 320, jump = 8000;
    static constexpr int window = 200;                                       // frames: 4 s
    static constexpr std::int64_t too_much = 320, enough = 240, scarce = 40;  // samples left over after a frame, at least

    static std::size_t place(std::int64_t at) { return static_cast<std::size_t>(at & (size - 1)); }

    // Where it begins anew in the middle of what is heard, as behind a relay, what was made up until now is waiting too.
    // Packets that are not whole frames need the rest of one, or it would run dry at once.
    std::int64_t anchor(std::uint32_t timestamp, std::int64_t count) {
        const std::int64_t waited = anchored_ ? 0 : waited_;
        anchored_ = true;
        here_.reset();
        end_ = std::int64_t{timestamp};
        next_ = end_ - std::max(count % frame_samples, first_delay - waited);
        waited_ = late_ = frames_ = surplus_ = 0;
        least_ = longest;
        return end_;
    }

    void wait(std::int64_t samples) {
        waited_ += samples;
        if (waited_ >= longest) forget_timing();  // it has fallen silent
    }

    // Whoever begins to speak, and does not go on, begins with the whole delay.
    void wait_silently() {
        if (anchored_ || waited_ > 0) wait(frame_samples);
    }

    // Runs that are here and runs that are not.
    void take(std::span<Sample> taken) {
        for (std::size_t begin = 0, end; begin < taken.size(); begin = end) {
            const bool here = here_[place(next_)];
            for (end = begin; end < taken.size() && here_[place(next_)] == here; ++end) {
                taken[end] = samples_[place(next_)];
                here_.reset(place(next_++));
            }
            const auto run = taken.subspan(begin, end - begin);
            if (!here) {
                concealment_.fill(run);
                continue;
            }
            concealment_.join(run);
            concealment_.remember(run);
        }
    }

    // `count` samples in the time of one frame.
    static void stretch(std::span<const Sample> taken, int count, Frame& frame) {
        for (int i = 0; i < frame_samples; ++i) {
            const int at = i * count * 256 / frame_samples, part = at & 255;
            const auto left = static_cast<std::size_t>(at >> 8), right = std::min(left + 1, static_cast<std::size_t>(count - 1));
            frame[static_cast<std::size_t>(i)] =
                static_cast<Sample>(taken[left] + (((taken[right] - taken[left]) * part) >> 8));
        }
    }

    void judge() {
        if (!anchored_) return;
        least_ = std::min(least_, std::max<std::int64_t>(0, end_ - next_));
        if (++frames_ < window) return;
        surplus_ = least_ > too_much ? static_cast<int>(least_ - enough) : least_ < scarce ? -80 : 0;
        frames_ = 0;
        least_ = longest;
    }

    bool anchored_ = false;
    std::int64_t next_ = 0, end_ = 0;  // positions on the sender's clock: of the next frame, and behind the newest sample
    std::int64_t waited_ = 0;          // samples that were made up since the buffer ran dry, or began
    std::int64_t used_ = 0;            // until when samples were heard, on our own clock
    std::int64_t least_ = longest;     // left over after a frame, at least, in this window
    int late_ = 0, frames_ = 0, surplus_ = 0;
    Concealment concealment_;
    std::bitset<size> here_;
    std::array<Sample, size> samples_{};
};

}  // namespace media
