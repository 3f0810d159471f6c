// The RTP stream that a leg sends: one SSRC, one run of sequence numbers and timestamps, whatever feeds it.
#pragma once
#include <cstdint>
#include <optional>

#include "rtp.hpp"
#include "samples.hpp"

namespace media {

// A relayed packet keeps its distance to its neighbours (loss and reordering stay visible to the far end), so a
// relay is two constant offsets, chosen anew when the feed changes. After a change or a gap the marker is set
// (RFC 3551 section 4.1) and the timestamp has moved on by the time that passed.
class Outgoing {
  public:
    Outgoing(std::uint32_t ssrc, std::uint16_t sequence, std::uint32_t timestamp)
        : ssrc_(ssrc), sequence_(sequence), timestamp_(timestamp), end_(timestamp), first_(sequence) {}

    std::uint32_t ssrc() const { return ssrc_; }
    std::uint16_t first() const { return first_; }  // the sequence number that the stream began with

    // What the stream's clock says at this moment (RFC 3550 section 6.4.1).
    std::uint32_t clock_at(Nanos now) const {
        return timestamp_ + (started_ ? static_cast<std::uint32_t>((sample_at(now) - sample_at(since_)) * ratio_) : 0);
    }

    // How many ticks of this stream's RTP clock pass in one 8 kHz sample.
    void set_clock(int ratio) { ratio_ = ratio; }

    struct Feed {
        int node;
        std::uint32_t epoch;
        bool operator==(const Feed&) const = default;
    };

    // The newest packet was one of our own mix.
    bool mixing() const { return feed_ == own; }
    // It was somebody else's.
    bool relaying() const { return feed_ != own && feed_ != none; }

    // The header for a packet of `feed` that passes through, or nothing when it is older than the change of feeds.
    // `heard` is how much of the packet's sound lies behind its timestamp already: an event's duration, else 0.
    std::optional<rtp::Header> relay(Feed feed, const rtp::Packet& packet, std::uint32_t heard, std::uint32_t length,
                                     Nanos now) {
        const bool fresh = feed != feed_;
        if (fresh) {
            feed_ = feed;
            sequence_offset_ = static_cast<std::uint16_t>(sequence_ - packet.sequence);
            timestamp_offset_ = timestamp_at(now) - heard - packet.timestamp;
            oldest_ = packet.sequence;
        } else if (rtp::ahead(packet.sequence, oldest_) < 0) {
            return std::nullopt;
        }
        if (rtp::ahead(packet.sequence, oldest_) > 1000) oldest_ = static_cast<std::uint16_t>(packet.sequence - 1000);
        const auto sequence = static_cast<std::uint16_t>(packet.sequence + sequence_offset_);
        if (rtp::ahead(sequence, sequence_) >= 0) sequence_ = static_cast<std::uint16_t>(sequence + 1);
        const std::uint32_t timestamp = packet.timestamp + timestamp_offset_;
        advance(timestamp + heard, length, now);
        return rtp::Header{packet.marker || fresh, 0, sequence, timestamp, ssrc_};
    }

    // A packet of the feed that is not sent on: the far end must not take it for lost.
    void skip(Feed feed, const rtp::Packet& packet) {
        if (feed != feed_ || rtp::ahead(packet.sequence, oldest_) < 0) return;
        const auto sequence = static_cast<std::uint16_t>(packet.sequence + sequence_offset_);
        if (rtp::ahead(sequence, sequence_) < 0) return;
        --sequence_offset_;
        oldest_ = packet.sequence;
    }

    // The header for a packet of our own mix; `fresh` when it does not follow directly on the one before. Where it follows
    // on a relay it began with its first frame, however long it took to fill.
    rtp::Header frame(Nanos now, int samples, bool fresh) {
        const Nanos began = relaying() ? now - (samples - 1) / frame_samples * frame_time : now;
        fresh = feed_ != own || fresh;
        feed_ = own;
        const std::uint32_t timestamp = fresh ? timestamp_at(began) : end_;
        advance(timestamp, static_cast<std::uint32_t>(samples * ratio_), now);
        return {fresh, 0, sequence_++, timestamp, ssrc_};
    }

    // The header for one telephone-event packet put in between; all packets of a press share the first one's timestamp.
    rtp::Header event(bool first, Nanos now) {
        if (first) {
            event_ = timestamp_at(now);
            advance(event_, 0, now);
        }
        return insert(event_, first);
    }

    // Where a segment of a press is full, the next begins (RFC 4733 section 2.5.1.3).
    void next_segment(std::uint32_t length) { event_ += length; }

    // The header for a packet between those that are relayed.
    rtp::Header insert(std::uint32_t timestamp, bool marker) {
        // What is relayed from here on moves up by one; what comes late from before would now collide.
        oldest_ = static_cast<std::uint16_t>(sequence_ - sequence_offset_);
        ++sequence_offset_;
        return {marker, 0, sequence_++, timestamp, ssrc_};
    }

    // The packets of a press that a relay began will be our own.
    void resume_event(std::uint32_t timestamp) { event_ = timestamp; }

  private:
    static constexpr Feed own{0, 0}, none{-1, 0};

    std::uint32_t timestamp_at(Nanos now) const {
        if (!started_) return end_;
        const std::uint32_t passed = clock_at(now);
        return rtp::ahead(passed, end_) > 0 ? passed : end_;
    }

    void advance(std::uint32_t timestamp, std::uint32_t length, Nanos now) {
        if (started_ && rtp::ahead(timestamp, timestamp_) < 0) return;
        started_ = true;
        timestamp_ = timestamp;
        since_ = now;
        if (rtp::ahead(timestamp + length, end_) > 0) end_ = timestamp + length;
    }

    int ratio_ = 1;
    const std::uint32_t ssrc_;
    std::uint16_t sequence_;         // of the next packet
    std::uint32_t timestamp_, end_;  // of the newest packet, and where its sound ends
    Nanos since_ = 0;                // when the newest packet was sent
    bool started_ = false;
    Feed feed_ = none;
    std::uint16_t sequence_offset_ = 0, oldest_ = 0;
    std::uint32_t timestamp_offset_ = 0, event_ = 0;
    const std::uint16_t first_;
};

}  // namespace media
