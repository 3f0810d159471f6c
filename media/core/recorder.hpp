// A stereo recording: what both sides hear is added up on one timeline, from which the writer thread takes what no late
// packet can change any more. Nothing is copied in between: a second copy of every recording would cost the media thread
// more than all the rest of a packet's way, because so much memory is in no cache.
#pragma once
#include <atomic>
#include <memory>
#include <utility>

#include "node.hpp"
#include "tones.hpp"

namespace media {

struct Recorder;

struct Side : Node {
    Side(int id_, Recorder& recorder_, int channel_) : Node(id_, Kind::side), recorder(recorder_), channel(channel_) {}
    Recorder& recorder;
    const int channel;
};

// Positions count frames (one sample of each channel) from the beginning of the recording.
struct Recorder : Parcel {
    static constexpr std::int64_t size = 32'768;  // four seconds of a disk that does not answer

    // `mask_tones`: keys that are heard as tones are left out.
    Recorder(int left_id, int right_id, bool mask_tones, int file_ = -1)
        : left(left_id, *this, 0), right(right_id, *this, 1), file(file_) {
        if (mask_tones)
            for (auto& mask : masks_) mask = std::make_unique<ToneMask>();
    }

    // ---- the media thread's; times are on the common sample grid

    void begin(std::int64_t now) { began_ = now; }
    // Add samples of one source to a channel. What finds no room is left out and counted as missing.
    void add(int channel, std::int64_t at, std::span<const Sample> samples, Gain gain);
    // What adding touches: first what says where, and when that is there, where samples of this moment go.
    void prefetch() const;
    void prefetch_room(int channel, std::int64_t at) const;
    // What is older than a late packet may be changes no more.
    void settle(std::int64_t now);
    // Nor does anything else.
    void settle_all(std::int64_t now);
    // What was added since this was last asked found no room, and would find none now.
    bool losing(std::int64_t now) {
        const std::int64_t so_far = missing.load(std::memory_order_relaxed);
        return so_far > std::exchange(missing_seen_, so_far) && now - began_ > taken() + size;
    }

    Side left, right;
    Recorder* next_recorder = nullptr;  // the switch's list
    Recorder* previous_recorder = nullptr;

    // ---- the writer thread's

    std::int64_t taken() const { return taken_.load(std::memory_order_relaxed); }
    // How many settled frames wait behind those; of a recording that leaves tones out, those that have been seen to.
    std::int64_t waiting();
    // Copy the first of them, channels interleaved, two samples a frame.
    void read(std::span<Sample> interleaved) const;
    // They have been written: their room is free.
    void release(std::int64_t frames);

    const int file;
    std::int64_t frames_written = 0;
    std::int64_t missing_told = 0;
    Recorder* next_written = nullptr;

    // ---- between them

    std::atomic<std::int64_t> missing{0};  // frames of which something found no room; both sides of one are one
    // Trouble has been told. Set by either thread when it has told it, so that its end is never told first.
    std::atomic<bool> troubled{false};
    std::atomic<bool> finished{false};  // set after the last sample

  private:
    std::int64_t mask_until(std::int64_t settled);
    void miss(std::int64_t from, std::int64_t until);

    static constexpr std::int64_t tolerance = 2400;  // 300 ms: how late a packet may come and still be recorded

    using Channel = std::array<Sample, size>;

    const std::unique_ptr<std::array<Channel, 2>> channels_ = std::make_unique<std::array<Channel, 2>>();
    std::array<std::unique_ptr<ToneMask>, 2> masks_;  // the writer's own
    std::int64_t began_ = 0, ends_ = 0;  // ends_: behind the last sample
    std::int64_t missed_ = 0, missing_seen_ = 0;  // missed_: behind the last that found no room
    std::atomic<bool> all_{false};       // nothing more will be added
    alignas(64) std::atomic<std::int64_t> settled_{0};  // written by the media thread: up to here the writer may read
    alignas(64) std::atomic<std::int64_t> taken_{0};    // written by the writer: up to here all is silence again
};

}  // namespace media
