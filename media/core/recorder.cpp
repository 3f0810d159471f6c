#include "recorder.hpp"

namespace media {

namespace {

void add_run(std::int32_t* sums, std::span<const Sample> samples, Gain gain) {
    if (gain == unity)
        for (std::size_t i = 0; i < samples.size(); ++i) sums[i] += samples[i];
    else
        for (std::size_t i = 0; i < samples.size(); ++i) sums[i] += scaled(samples[i], gain);
}

}  // namespace

void Recorder::add(int channel, std::int64_t at, std::span<const Sample> samples, Gain gain) {
    std::int64_t first = at - began_, last = first + static_cast<std::int64_t>(samples.size());
    const std::int64_t begin = std::max(first, committed_), end = std::min(last, committed_ + size);
    if (begin >= end) return;
    samples = samples.subspan(static_cast<std::size_t>(begin - first), static_cast<std::size_t>(end - begin));
    written_until_ = std::max(written_until_, end);
    const auto place = static_cast<std::size_t>(begin % size);
    const std::size_t until_wrap = std::min(samples.size(), static_cast<std::size_t>(size) - place);
    auto& sums = sums_[static_cast<std::size_t>(channel)];
    add_run(&sums[place], samples.first(until_wrap), gain);
    add_run(&sums[0], samples.subspan(until_wrap), gain);
}

std::int64_t Recorder::ready(std::int64_t now) const {
    return now - began_ - tolerance < committed_ + frame_samples ? 0 : frame_samples;
}

std::int64_t Recorder::rest(std::int64_t now) const {
    return std::clamp<std::int64_t>(std::max(written_until_, now - began_) - committed_, 0, frame_samples);
}

void Recorder::take(std::int64_t frames, Block* block) {
    if (block != nullptr) {
        block->start = committed_;
        block->frames = static_cast<std::int32_t>(frames);
    }
    for (std::int64_t taken = 0; taken < frames;) {
        const auto place = static_cast<std::size_t>(committed_ % size);
        const auto run = static_cast<std::size_t>(std::min(frames - taken, size - committed_ % size));
        std::int32_t *left = &sums_[0][place], *right = &sums_[1][place];
        if (block != nullptr) {
            Sample* out = &block->samples[2 * static_cast<std::size_t>(taken)];
            for (std::size_t i = 0; i < run; ++i) {
                out[2 * i] = saturate(left[i]);
                out[2 * i + 1] = saturate(right[i]);
            }
        }
        std::fill_n(left, run, 0);
        std::fill_n(right, run, 0);
        committed_ += static_cast<std::int64_t>(run);
        taken += static_cast<std::int64_t>(run);
    }
}

}  // namespace media
