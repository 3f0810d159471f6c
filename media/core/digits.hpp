// Keys as telephone-events (RFC 4733): one press heard once, and one press sent in the packets that it takes.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "rtp.hpp"

namespace media {

inline constexpr std::string_view keys = "0123456789*#ABCD";  // RFC 4733 table 3: events 0 to 15
inline constexpr std::size_t event_size = 4;

struct TelephoneEvent {
    std::uint8_t code;
    bool end;
    std::uint16_t duration;
};

constexpr TelephoneEvent read_event(rtp::Bytes payload) {
    return {payload[0], (payload[1] & 0x80) != 0, rtp::read16(&payload[2])};
}

// A press is known by the RTP timestamp of its beginning, which all its packets share (section 2.2.2), so that
// neither a lost end, a repeated end, a late packet nor a missing marker makes it two or none.
class DigitReceiver {
  public:
    std::optional<char> receive(std::uint32_t ssrc, std::uint32_t timestamp, TelephoneEvent event) {
        const bool known = seen_ && ssrc == ssrc_;
        const std::int32_t newer = known ? rtp::ahead(timestamp, timestamp_) : 1;
        if (newer <= 0 && newer > -restart) return std::nullopt;
        // Section 2.5.1.3: an event longer than 0xFFFF goes on as a new segment that begins where the old one ended.
        const bool segment = known && event.code == code_ && timestamp == timestamp_ + 0xFFFF;
        seen_ = true;
        ssrc_ = ssrc;
        timestamp_ = timestamp;
        code_ = event.code;
        if (segment || event.code >= keys.size()) return std::nullopt;
        return keys[event.code];
    }

  private:
    static constexpr std::int32_t restart = 80'000;  // ten seconds back: the sender's clock began anew

    bool seen_ = false;
    std::uint32_t ssrc_ = 0, timestamp_ = 0;
    std::uint8_t code_ = 0;
};

// One telephone-event packet to send.
struct DigitStep {
    bool first;
    TelephoneEvent event;
};

// Presses waiting to be sent: an update every 20 ms, the end three times (section 2.5.1.4), then 60 ms of pause.
class DigitSender {
  public:
    bool busy() const { return count_ > 0; }

    bool queue(std::uint8_t code, int duration_samples) {
        if (count_ == static_cast<int>(queue_.size())) return false;
        queue_[(first_ + count_++) % queue_.size()] = {code, static_cast<std::uint16_t>(duration_samples)};
        return true;
    }

    // What to send in this tick; nothing during the pause.
    std::optional<DigitStep> step() {
        const Press press = queue_[first_];
        const int sent = step_ * 160;
        ++step_;
        if (sent + 160 < press.duration) return DigitStep{sent == 0, {press.code, false, std::uint16_t(sent + 160)}};
        if (ends_ < 3) {
            ++ends_;
            return DigitStep{sent == 0, {press.code, true, press.duration}};
        }
        if (++ends_ == 6) {
            first_ = (first_ + 1) % static_cast<int>(queue_.size());
            --count_;
            step_ = ends_ = 0;
        }
        return std::nullopt;
    }

  private:
    struct Press {
        std::uint8_t code;
        std::uint16_t duration;
    };
    std::array<Press, 64> queue_{};  // the longest number that is dialled at a stroke, a card's, and then some
    int first_ = 0, count_ = 0, step_ = 0, ends_ = 0;
};

}  // namespace media
