// Keys as telephone-events (RFC 4733): one press heard once, and one press sent in the packets that it takes.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "rtp.hpp"
#include "samples.hpp"

namespace media {

inline constexpr std::string_view keys = "0123456789*#ABCD";  // RFC 4733 table 3: events 0 to 15
inline constexpr std::size_t event_size = 4;
inline constexpr int longest_event = 0xFFFF;  // in ticks of its clock; what is longer takes several segments

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
        if (follow(ssrc, timestamp, event.code)) return std::nullopt;
        seen_ = true;
        ssrc_ = ssrc;
        timestamp_ = timestamp;
        code_ = event.code;
        before_ = 0;
        if (event.code >= keys.size()) return std::nullopt;
        return keys[event.code];
    }

    // Is this a packet of the press that was received last, or of one before it? If it begins a new segment, that press
    // goes on with it.
    bool follow(std::uint32_t ssrc, std::uint32_t timestamp, std::uint8_t code) {
        if (!seen_ || ssrc != ssrc_) return false;
        const std::int32_t newer = rtp::ahead(timestamp, timestamp_);
        // Section 2.5.1.3: an event longer than 0xFFFF goes on as a new segment that begins where the old one ended.
        if (newer == longest_event && code == code_) {
            timestamp_ = timestamp;
            before_ += longest_event;
            return true;
        }
        return newer <= 0 && newer > -restart;
    }

    // How much of a press, in ticks, lies in the segments before the one of this timestamp.
    std::int64_t before(std::uint32_t timestamp) const {
        const std::int64_t ticks = before_ + rtp::ahead(timestamp, timestamp_);
        return ticks > 0 && ticks <= before_ && ticks % longest_event == 0 ? ticks : 0;
    }

  private:
    static constexpr std::int32_t restart = 80'000;  // ten seconds back: the sender's clock began anew

    bool seen_ = false;
    std::uint32_t ssrc_ = 0, timestamp_ = 0;
    std::uint8_t code_ = 0;
    std::int64_t before_ = 0;
};

// A press that is passed on as it comes.
struct PassingPress {
    int source = 0;                         // the leg that it comes from; 0: it is over
    std::uint32_t ssrc = 0, timestamp = 0;  // that leg's
    std::uint32_t sent = 0;                 // the timestamp that it goes out with
    std::uint8_t code = 0;
    int sounded = 0;       // samples, so far, of its present segment
    std::int64_t segment = 0;
    Nanos since = 0;  // when its newest packet came
};

// One telephone-event packet to send.
struct DigitStep {
    bool first;
    TelephoneEvent event;
};

// Presses waiting to be sent: an update every 20 ms, the end three times (section 2.5.1.4), then 60 ms of pause.
class DigitSender {
  public:
    int segmented = 0;  // ticks of the present press in the segments that have been sent

    bool busy() const { return count_ > 0; }

    bool queue(std::uint8_t code, int duration_samples) {
        if (count_ == static_cast<int>(queue_.size())) return false;
        queue_[(first_ + count_++) % queue_.size()] = {code, static_cast<std::uint16_t>(duration_samples)};
        return true;
    }

    // Bring to its end what somebody else began to send; false when another press is being sent already.
    bool resume(std::uint8_t code, int sounded, int duration_samples) {
        if (busy() || !queue(code, std::max(sounded, duration_samples))) return false;
        step_ = std::max(1, sounded / frame_samples);
        segmented = 0;
        return true;
    }

    // What to send in this tick; nothing during the pause.
    std::optional<DigitStep> step() {
        const Press press = queue_[first_];
        const int sent = step_ * frame_samples;
        if (sent == 0) segmented = 0;
        ++step_;
        if (sent + frame_samples < press.duration)
            return DigitStep{sent == 0, {press.code, false, std::uint16_t(sent + frame_samples)}};
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
