// From one sampling rate to another, through speexdsp.
#pragma once
#include <speex/speex_resampler.h>

#include <memory>
#include <new>
#include <span>

#include "samples.hpp"

namespace media {

class Resampler {
  public:
    Resampler(unsigned from, unsigned to) {
        int error = RESAMPLER_ERR_SUCCESS;
        state_.reset(speex_resampler_init(1, from, to, quality, &error));
        if (!state_) throw std::bad_alloc();
    }

    // Returns how many samples came out.
    std::size_t run(std::span<const Sample> in, std::span<Sample> out) {
        auto taken = static_cast<spx_uint32_t>(in.size()), made = static_cast<spx_uint32_t>(out.size());
        speex_resampler_process_int(state_.get(), 0, in.data(), &taken, out.data(), &made);
        return made;
    }

  private:
    static constexpr int quality = 4;  // 64 taps: about 90 dB down beyond the band, 4 ms of delay

    struct Destroy {
        void operator()(SpeexResamplerState* state) const { speex_resampler_destroy(state); }
    };
    std::unique_ptr<SpeexResamplerState, Destroy> state_;
};

}  // namespace media
