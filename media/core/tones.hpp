// Keys as tones in the audio (ITU-T Q.23, Q.24), for far ends that did not agree to telephone-events.
#pragma once
#include <cstddef>  // spandsp's headers use these and each other without including them
#include <cstdint>

#include <spandsp/telephony.h>
#include <spandsp/logging.h>
#include <spandsp/complex.h>
#include <spandsp/tone_generate.h>
#include <spandsp/tone_detect.h>
#include <spandsp/super_tone_rx.h>
#include <spandsp/dtmf.h>

#include <memory>
#include <new>
#include <span>
#include <utility>

#include "rtp.hpp"
#include "samples.hpp"

namespace media {

class ToneDigits {
  public:
    ToneDigits() : detector_(dtmf_rx_init(nullptr, nullptr, nullptr)) {
        if (!detector_) throw std::bad_alloc();
    }

    // The samples that follow in time; `report` gets each key once, when it has been heard for about 30 ms.
    template <typename Report>
    void hear(std::uint32_t timestamp, bool lost_before, std::span<const Sample> samples, Report report) {
        const std::int32_t gap = std::exchange(begun_, true) ? rtp::ahead(timestamp, next_) : 0;
        next_ = timestamp + static_cast<std::uint32_t>(samples.size());
        if (lost_before) {
            dtmf_rx_fillin(detector_.get(), gap);  // a key goes on through a gap
        } else if (gap > 0) {
            static constexpr Frame silence{};  // not sent, but there: two of the same key are told apart by it
            for (int frames = std::min(gap / frame_samples, 5); frames > 0; --frames)
                dtmf_rx(detector_.get(), silence.data(), frame_samples);
        }
        dtmf_rx(detector_.get(), samples.data(), static_cast<int>(samples.size()));
        char heard[16];
        for (std::size_t count; (count = dtmf_rx_get(detector_.get(), heard, sizeof heard - 1)) > 0;)
            for (const char key : std::span(heard).first(count)) report(key);
    }

  private:
    struct Free {
        void operator()(dtmf_rx_state_t* state) const { dtmf_rx_free(state); }
    };
    std::unique_ptr<dtmf_rx_state_t, Free> detector_;
    bool begun_ = false;
    std::uint32_t next_ = 0;  // the timestamp that follows without a gap
};

}  // namespace media
