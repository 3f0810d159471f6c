// Keys as tones in the audio (ITU-T Q.23, Q.24), for far ends that did not agree to telephone-events.
#pragma once
#include <cmath>
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

struct FreeDetector {
    void operator()(dtmf_rx_state_t* state) const { dtmf_rx_free(state); }
};

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
    std::unique_ptr<dtmf_rx_state_t, FreeDetector> detector_;
    bool begun_ = false;
    std::uint32_t next_ = 0;  // the timestamp that follows without a gap
};

// Keys in a recording, so that they can be left out of it: card numbers and PINs are not to be kept. It hears the
// recording itself, a little ahead of what is written: a tone is certain only 40 ms after it began.
class ToneMask {
  public:
    static constexpr std::int64_t ahead = 3 * frame_samples;

    ToneMask() : detector_(dtmf_rx_init(nullptr, nullptr, nullptr)) {
        if (!detector_) throw std::bad_alloc();
    }

    // Where the next frame for `hear` begins.
    std::int64_t heard() const { return heard_; }
    // Up to here, what it says of gains is final.
    std::int64_t masked() const { return heard_ - ahead; }

    void hear(const Frame& frame) {
        dtmf_rx(detector_.get(), frame.data(), frame_samples);
        char drained[16];
        while (dtmf_rx_get(detector_.get(), drained, sizeof drained - 1) > 0) {}
        const int status = dtmf_rx_status(detector_.get());
        const bool pressed = status != 0 && status != 'x';  // x: one block of 13 ms that may be speech
        if (pressed && until_ <= masked()) from_ = masked();
        heard_ += frame_samples;
        if (pressed) until_ = heard_ + frame_samples;  // the detector lets go a little before the tone ends
    }

    // How loud the sample at this place is to be; 5 ms at both ends are a ramp.
    Gain gain(std::int64_t at) const {
        if (at < from_ || at >= until_) return unity;
        const auto inside = static_cast<int>(std::min(at - from_, until_ - 1 - at));
        return inside < ramp_samples ? ramp(unity, 0, inside) : 0;
    }

  private:
    std::unique_ptr<dtmf_rx_state_t, FreeDetector> detector_;
    std::int64_t heard_ = 0, from_ = 0, until_ = -ahead;
};

}  // namespace media
