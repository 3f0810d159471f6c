// A stereo recording: both sides are summed onto one timeline and leave in blocks for the writer thread.
#pragma once
#include <atomic>
#include <string>

#include "node.hpp"
#include "ring.hpp"

namespace media {

struct Recorder;

struct Side : Node {
    Side(int id_, Recorder& recorder_, int channel_) : Node(id_, Kind::side), recorder(recorder_), channel(channel_) {}
    Recorder& recorder;
    const int channel;
};

// Up to 20 ms of both channels, and where in the recording they belong. A block that never came is silence.
struct Block {
    std::int64_t start;
    std::int32_t frames;
    std::array<Sample, 2 * frame_samples> samples;
};

struct Recorder : Parcel {
    Recorder(int left_id, int right_id, int file_ = -1)
        : left(left_id, *this, 0), right(right_id, *this, 1), file(file_) {}

    void begin(std::int64_t now) { began_ = now; }

    // Add samples of one source to a channel; `at` is on the common sample grid.
    void add(int channel, std::int64_t at, std::span<const Sample> samples, Gain gain);

    // How many frames the next block has that is older than a late packet may be; 0 when there is none yet.
    std::int64_t ready(std::int64_t now) const;
    // How many frames the next block has of what is left at the end; 0 when that was all.
    std::int64_t rest(std::int64_t now) const;
    // Take that block, to `block` or, where there is no room for it, to nowhere.
    void take(std::int64_t frames, Block* block);

    Side left, right;
    Recorder* next_recorder = nullptr;  // the switch's list
    Recorder* previous_recorder = nullptr;

    // Between the media thread and the writer thread.
    Ring<Block, 200> blocks;  // four seconds of a disk that does not answer
    std::atomic<std::int64_t> blocks_dropped{0};
    std::atomic<bool> finished{false};  // set after the last block

    // The writer thread's own.
    const int file;
    std::int64_t frames_written = 0;
    std::int64_t drops_told = 0;
    bool troubled = false;
    Recorder* next_written = nullptr;

  private:
    static constexpr std::int64_t size = 4096;  // a power of two
    static constexpr std::int64_t tolerance = 2400;  // 300 ms: how late a packet may come and still be recorded

    std::array<std::array<std::int32_t, size>, 2> sums_{};  // by channel
    std::int64_t began_ = 0, committed_ = 0, written_until_ = 0;
};

}  // namespace media
