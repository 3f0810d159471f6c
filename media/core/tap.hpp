// A listener whose audio leaves in pieces on a datagram socket: a recogniser. It does not listen in real time, so what
// comes in order is handed on at once; only what comes behind a hole waits, 40 to 200 ms, for what belongs there. The
// time line never shrinks: what is lost is made up, and what a far end does not send of its silence is filled in.
#pragma once
#include <bitset>
#include <optional>
#include <span>
#include <vector>

#include "conceal.hpp"
#include "incoming.hpp"
#include "node.hpp"
#include "noise.hpp"
#include "pieces.hpp"
#include "resample.hpp"

namespace media {

struct Tap : Node {
    // `rate`: 8000 or 16000 samples a second.
    Tap(int id_, int piece_ms, int rate, int socket_ = -1)
        : Node(id_, Kind::tap), socket(socket_), scale(rate / 8000),
          pieces(static_cast<std::size_t>(8 * piece_ms * scale), static_cast<std::size_t>(kept_ms / piece_ms)),
          held_(static_cast<std::size_t>(held_size)), concealment_(scale) {
        if (scale == 2) up_.emplace(8000, 16000);
    }

    struct Stream {
        int node;
        std::uint32_t epoch;
        bool operator==(const Stream&) const = default;
    };

    // 8 kHz samples at the rate of this tap.
    std::span<const Sample> scaled_up(std::span<const Sample> samples, std::span<Sample> room) {
        return up_ ? room.first(up_->run(samples, room)) : samples;
    }

    // Samples at this tap's rate, which begin at `timestamp` on their sender's clock of 8 kHz and came at `now` on ours.
    // `lost`: packets before this one are missing, so that a hole is no silence.
    void hear(Stream stream, std::uint32_t timestamp, std::span<const Sample> samples, Gain gain, bool lost,
              std::int64_t now) {
        const auto count = static_cast<std::int64_t>(samples.size());
        const std::uint32_t begins = timestamp * static_cast<std::uint32_t>(scale);
        std::int64_t at = next_ + static_cast<std::int32_t>(begins - static_cast<std::uint32_t>(next_));
        if (!anchored_ || stream != stream_ || at - next_ > far() || next_ - at > far()) {
            flush();
            if (stream == stream_ && made_ > 0) fill(made_ + (now - last_) * scale - count);
            stream_ = stream;
            anchored_ = true;
            next_ = end_ = at = std::int64_t{begins};
            made_ = 0;
        }
        if (at + count <= next_) return too_late();
        const std::int64_t past = std::max<std::int64_t>(next_ - at, 0);
        samples = samples.subspan(static_cast<std::size_t>(past));
        at += past;
        if (!waiting() && (at == next_ || !lost)) {
            if (at > next_) fill(at - next_);
            pieces.put(samples, gain);
            next_ = end_ = at + count - past;
        } else {
            if (!waiting()) since_ = now;
            hold(at, samples, gain);
            if (give()) since_ = now;
            give_up(now);
        }
        made_ = 0;
        last_ = now;
    }

    // A frame of a mix, at 8 kHz.
    void hear_mix(std::span<const Sample> frame) {
        std::array<Sample, 2 * frame_samples> room;
        flush();
        anchored_ = false;
        stream_ = nobody;
        pieces.put(scaled_up(frame, room), unity);
    }

    // Time passes. A far end that has fallen silent is heard as noise, where it told how loud, or silence.
    void pass(Stream stream, const ComfortNoise& noise, std::int64_t now) {
        if (stream != stream_) {
            flush();
            anchored_ = false;
            stream_ = stream;
            made_ = 0;
            last_ = now;
        }
        give_up(now);
        noise_.follow(noise);
        const std::int64_t silent = now - last_;
        if (silent <= 0 || (made_ == 0 && silent < (noise.on() ? 2 * frame_samples : longest))) return;
        flush();
        const std::int64_t made = made_ + silent * scale;
        fill(made);
        made_ = made;
        last_ = now;
    }

    // What hearing touches: first what says where, and when that is there, where the next samples go.
    void prefetch() const {
        media::prefetch(&socket, 3 * cache_line);
        media::prefetch(&up_, &up_ + 1);
    }
    void prefetch_room() const { pieces.prefetch(); }

    const int socket;  // the engine's; closed by it
    const int scale;   // samples for each one of 8 kHz
    Pieces pieces;

  private:
    static constexpr Stream nobody{-1, 0};
    static constexpr int kept_ms = 4000;  // a recogniser may work on an utterance for so long without losing the next
    static constexpr std::int64_t held_size = 8192;          // the farthest hole, and the longest packet behind it
    static constexpr std::int64_t longest = 1600, shortest = 320;  // patience: 40 to 200 ms

    std::int64_t far() const { return longest * scale; }
    bool waiting() const { return end_ > next_; }
    static std::size_t place(std::int64_t at) { return static_cast<std::size_t>(at & (held_size - 1)); }

    // Who comes after he was given up is worth waiting longer for; one in eight keeps the balance.
    void too_late() { patience_ = std::min<std::int64_t>(patience_ + 320, longest); }

    void hold(std::int64_t at, std::span<const Sample> samples, Gain gain) {
        for (const Sample sample : samples) {
            held_[place(at)] = saturate(scaled(sample, gain));
            here_.set(place(at++));
        }
        end_ = std::max(end_, at);
    }

    // Hand on what is next; false when nothing is.
    bool give() {
        const std::int64_t before = next_;
        while (waiting() && here_[place(next_)]) {
            std::array<Sample, frame_samples> run;
            std::size_t count = 0;
            for (; count < run.size() && waiting() && here_[place(next_)]; ++next_) {
                run[count++] = held_[place(next_)];
                here_.reset(place(next_));
            }
            const auto heard = std::span(run).first(count);
            if (concealing_) concealment_.join(heard);
            concealing_ = false;
            pieces.put(heard, unity);
        }
        return next_ != before;
    }

    void give_up(std::int64_t now) {
        while (waiting() && now - since_ >= patience_) {
            patience_ = std::max<std::int64_t>(patience_ - 40, shortest);
            conceal();
            give();
        }
    }

    // The end of a stream, or of its order.
    void flush() {
        while (waiting()) {
            conceal();
            give();
        }
    }

    void conceal() {
        std::int64_t hole = 0;
        while (!here_[place(next_ + hole)]) ++hole;
        next_ += hole;
        hole -= std::min(hole, made_);
        std::array<Sample, 640> past;
        const auto history = std::span(past).first(static_cast<std::size_t>(320 * scale));
        pieces.last(history);
        concealment_.remember(history);
        concealing_ = hole > 0;
        for (std::array<Sample, frame_samples> made; hole > 0; hole -= frame_samples) {
            const auto run = std::span(made).first(static_cast<std::size_t>(std::min<std::int64_t>(hole, frame_samples)));
            concealment_.fill(run);
            pieces.put(run, unity);
        }
    }

    // What a far end did not send, less what has been filled in already while time passed.
    void fill(std::int64_t count) {
        count -= std::min(count, std::exchange(made_, 0));
        for (Frame frame{}; count > 0; count -= frame_samples) {
            const auto run = std::span(frame).first(static_cast<std::size_t>(std::min<std::int64_t>(count, frame_samples)));
            if (noise_.on()) noise_.fill(run);
            pieces.put(run, unity);
        }
    }

    Stream stream_ = nobody;
    std::int64_t next_ = 0, end_ = 0;  // on the sender's clock: what is to be handed on next, and behind all that is held
    std::int64_t last_ = 0;            // when something was last heard, or filled in
    std::int64_t made_ = 0;            // what has been filled in since the sender fell silent
    std::int64_t since_ = 0, patience_ = 480;
    bool concealing_ = false;
    bool anchored_ = false;
    ComfortNoise noise_;

    std::vector<Sample> held_;
    std::bitset<held_size> here_;
    Concealment concealment_;
    std::optional<Resampler> up_;
};

}  // namespace media
