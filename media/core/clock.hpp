// A sender's RTP clock in 8 kHz samples, for codecs whose clock runs faster (RFC 3550 section 5.1).
#pragma once
#include "rtp.hpp"

namespace media {

// The result wraps at 32 bits like a timestamp. Dividing timestamps themselves would jump where they wrap.
class SampleClock {
  public:
    std::uint32_t samples(std::uint32_t timestamp, int ratio) {
        ticks_ += rtp::ahead(timestamp, timestamp_);
        timestamp_ = timestamp;
        return static_cast<std::uint32_t>(ticks_ / ratio);
    }

  private:
    std::int64_t ticks_ = std::int64_t{3} << 40;  // a multiple of every ratio, far from zero: divisions round alike
    std::uint32_t timestamp_ = 0;
};

}  // namespace media
