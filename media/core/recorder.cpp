#include "recorder.hpp"

namespace media {

void Recorder::add(int channel, std::int64_t at, std::span<const Sample> samples, Gain gain) {
    std::int64_t index = at - began_;
    for (const Sample sample : samples) {
        if (index >= committed_ && index < committed_ + size) {
            sums_[static_cast<std::size_t>(index % size)][static_cast<std::size_t>(channel)] += scaled(sample, gain);
            written_until_ = std::max(written_until_, index + 1);
        }
        ++index;
    }
}

bool Recorder::commit(std::int64_t now, Block& block) {
    if (now - began_ - tolerance < committed_ + frame_samples) return false;
    take(frame_samples, block);
    return true;
}

bool Recorder::commit_rest(std::int64_t now, Block& block) {
    const std::int64_t left_over = std::max(written_until_, now - began_) - committed_;
    if (left_over <= 0) return false;
    take(std::min<std::int64_t>(left_over, frame_samples), block);
    return true;
}

void Recorder::take(std::int64_t frames, Block& block) {
    block.start = committed_;
    block.frames = static_cast<std::int32_t>(frames);
    for (std::size_t i = 0; i < static_cast<std::size_t>(frames); ++i) {
        auto& sum = sums_[static_cast<std::size_t>(committed_++ % size)];
        block.samples[2 * i] = saturate(sum[0]);
        block.samples[2 * i + 1] = saturate(sum[1]);
        sum = {0, 0};
    }
}

}  // namespace media
