#include "recorder.hpp"

namespace media {

namespace {

void add_run(Sample* sums, std::span<const Sample> samples, Gain gain) {
    if (gain == unity)
        for (std::size_t i = 0; i < samples.size(); ++i) sums[i] = saturate(sums[i] + samples[i]);
    else
        for (std::size_t i = 0; i < samples.size(); ++i) sums[i] = saturate(sums[i] + scaled(samples[i], gain));
}

// Call `run(place in the ring, frames before, frames)` for the one or two runs that `frames` from `position` on are.
template <typename Run>
void in_runs(std::int64_t position, std::int64_t frames, Run run) {
    const std::int64_t place = position % Recorder::size, first = std::min(frames, Recorder::size - place);
    run(static_cast<std::size_t>(place), std::size_t{0}, static_cast<std::size_t>(first));
    if (frames > first) run(std::size_t{0}, static_cast<std::size_t>(first), static_cast<std::size_t>(frames - first));
}

}  // namespace

void Recorder::add(int channel, std::int64_t at, std::span<const Sample> samples, Gain gain) {
    const std::int64_t first = at - began_, last = first + static_cast<std::int64_t>(samples.size());
    const std::int64_t free_until = taken_.load(std::memory_order_acquire) + size;
    const std::int64_t begin = std::max(first, settled_.load(std::memory_order_relaxed)), end = std::min(last, free_until);
    if (last > free_until) miss(std::max(free_until, begin), last);
    if (begin >= end) return;
    ends_ = std::max(ends_, end);
    Channel& sums = (*channels_)[static_cast<std::size_t>(channel)];
    in_runs(begin, end - begin, [&](std::size_t place, std::size_t before, std::size_t count) {
        add_run(&sums[place], samples.subspan(static_cast<std::size_t>(begin - first) + before, count), gain);
    });
}

void Recorder::miss(std::int64_t from, std::int64_t until) {
    from = std::max(from, missed_);  // the other side has been counted already
    if (until <= from) return;
    missing.fetch_add(until - from, std::memory_order_relaxed);
    missed_ = until;
}

void Recorder::prefetch() const {
    media::prefetch(&channels_, this + 1);
}

void Recorder::prefetch_room(int channel, std::int64_t at) const {
    if (at < began_) return;
    media::prefetch(&(*channels_)[static_cast<std::size_t>(channel)][static_cast<std::size_t>((at - began_) % size)], sizeof(Frame));
}

void Recorder::settle(std::int64_t now) {
    const std::int64_t old = now - began_ - tolerance, whole = old - old % frame_samples;
    if (whole > settled_.load(std::memory_order_relaxed)) settled_.store(whole, std::memory_order_release);
}

void Recorder::settle_all(std::int64_t now) {
    all_.store(true, std::memory_order_release);
    settled_.store(std::max(ends_, now - began_), std::memory_order_release);
}

std::int64_t Recorder::waiting() {
    const std::int64_t settled = settled_.load(std::memory_order_acquire);
    return std::max<std::int64_t>(masks_[0] ? mask_until(settled) : settled, taken()) - taken();
}

// Tones are silenced where they stand, a frame at a time: settled samples are nobody else's.
std::int64_t Recorder::mask_until(std::int64_t settled) {
    const bool all = all_.load(std::memory_order_acquire);  // then it is silent behind the end
    for (std::size_t channel = 0; channel < 2; ++channel) {
        Channel& sums = (*channels_)[channel];
        ToneMask& mask = *masks_[channel];
        while (mask.masked() < settled && (all || mask.heard() + frame_samples <= settled)) {
            Frame frame;
            in_runs(mask.heard(), frame_samples, [&](std::size_t place, std::size_t before, std::size_t count) {
                std::copy_n(&sums[place], count, &frame[before]);
            });
            mask.hear(frame);
            for (std::int64_t at = std::max<std::int64_t>(mask.masked() - frame_samples, 0); at < mask.masked(); ++at) {
                Sample& sample = sums[static_cast<std::size_t>(at % size)];
                sample = static_cast<Sample>(scaled(sample, mask.gain(at)));
            }
        }
    }
    return std::min(masks_[0]->masked(), settled);
}

void Recorder::read(std::span<Sample> interleaved) const {
    in_runs(taken(), static_cast<std::int64_t>(interleaved.size() / 2), [&](std::size_t place, std::size_t before, std::size_t count) {
        const Sample *left = &(*channels_)[0][place], *right = &(*channels_)[1][place];
        Sample* out = &interleaved[2 * before];
        for (std::size_t i = 0; i < count; ++i) {
            out[2 * i] = left[i];
            out[2 * i + 1] = right[i];
        }
    });
}

void Recorder::release(std::int64_t frames) {
    for (Channel& channel : *channels_)
        in_runs(taken(), std::min(frames, size), [&](std::size_t place, std::size_t, std::size_t count) {
            std::fill_n(&channel[place], count, Sample{0});
        });
    taken_.store(taken() + frames, std::memory_order_release);
}

}  // namespace media
