// Which stream of a far end is heard where another SSRC turns up (RFC 3550 appendix A.1, docs/decisions/0009).
#pragma once
#include <array>
#include <cstdlib>
#include <utility>

#include "incoming.hpp"

namespace media {

enum class Verdict { heard, held, refused, proven };  // proven: with the packet that is held, which goes before this one

// Knows one stream. Another is followed with its second packet, if nothing of the known one came in between. The elder,
// which had been heard for a while when another came, may return whatever comes in between. Where it does so while the
// other goes on, nobody has changed, but two speak at once: from then on others wait for silence.
class Probation {
  public:
    Counter refused;  // packets of streams that were not followed

    // `moves` changes with the address that packets come from: whoever is heard there first is known.
    Verdict judge(const rtp::Packet& packet, int moves, Nanos now) {
        if (std::exchange(moves_, moves) != moves) begin(packet.ssrc, now);
        if (packet.ssrc == known_) {
            if (candidate_ != elder_) drop();
            last_ = now;
            return Verdict::heard;
        }
        if (!proves(packet, now)) return hold(packet, now) ? Verdict::held : Verdict::refused;
        if (packet.ssrc == elder_) contested_ = contested_ || now - last_ < live;
        else if (!contested_ && now - followed_ >= settling) elder_ = known_;
        follow(packet.ssrc, now);
        return Verdict::proven;
    }

    // The far side was described once more, and may have a reason to change.
    void settle() { contested_ = false; }

    Nanos held_since() const { return since_; }
    // All that it knows something of.
    std::array<std::uint32_t, 3> streams() const { return {known_, elder_, candidate_}; }

  private:
    static constexpr Nanos live = 100 * millisecond;        // who sent something so lately has not stopped
    static constexpr Nanos settling = 2'000 * millisecond;  // who was heard for so long is no mistake
    static constexpr Nanos patience = 1'000 * millisecond;  // packets of one stream are not further apart, but for silence
    static constexpr int window = 64;                       // nor further out of order, or after a loss

    void begin(std::uint32_t ssrc, Nanos now) {
        drop();
        contested_ = false;
        elder_ = ssrc;
        follow(ssrc, now);
    }

    void follow(std::uint32_t ssrc, Nanos now) {
        known_ = ssrc;
        followed_ = last_ = now;
        holds_ = false;
    }

    bool proves(const rtp::Packet& packet, Nanos now) const {
        const int step = rtp::ahead(packet.sequence, sequence_);
        if (!holds_ || packet.ssrc != candidate_ || now - since_ > patience || step == 0 || std::abs(step) > window) return false;
        return packet.ssrc == elder_ || !contested_ || now - last_ > live;
    }

    // While the elder may be about to return nobody else takes its place.
    bool hold(const rtp::Packet& packet, Nanos now) {
        if (holds_ && candidate_ == elder_ && packet.ssrc != elder_ && now - since_ < live) {
            refused.add(1);
            return false;
        }
        drop();
        holds_ = true;
        candidate_ = packet.ssrc;
        sequence_ = packet.sequence;
        since_ = now;
        return true;
    }

    void drop() {
        if (std::exchange(holds_, false)) refused.add(1);
    }

    std::uint32_t known_ = 0, elder_ = 0, candidate_ = 0;
    std::uint16_t sequence_ = 0;  // of the candidate's packet that is held
    bool holds_ = false, contested_ = false;
    int moves_ = 0;
    Nanos followed_ = 0, last_ = 0;  // when the known stream was first heard, and last
    Nanos since_ = 0;                // when the packet came that is held
};

// The first packet of a stream on probation.
class HeldPacket {
  public:
    // Its payload is no longer than `rtp::max_payload`.
    void keep(const rtp::Packet& packet) {
        std::copy(packet.payload.begin(), packet.payload.end(), payload_.begin());
        packet_ = packet;
        packet_.payload = {payload_.data(), packet.payload.size()};
    }
    const rtp::Packet& packet() const { return packet_; }

  private:
    rtp::Packet packet_{};
    std::array<std::uint8_t, rtp::max_payload> payload_{};
};

}  // namespace media
