// RTCP (RFC 3550 section 6) on the wire: what a compound packet says, and the packets that make up one of ours.
#pragma once
#include <algorithm>
#include <array>
#include <optional>

#include "rtp.hpp"
#include "samples.hpp"

namespace media::rtcp {

enum Type : std::uint8_t { sender_report = 200, receiver_report = 201, source_description = 202, goodbye = 203 };

inline constexpr std::size_t block_size = 24, sender_size = 20, ssrc_at = 4;
inline constexpr std::size_t max_written = 128;  // more than the longest compound packet that we send

// On a port that RTP shares, these are the packets that are none of RTP's: payload types 64 to 95 (RFC 5761 section 4).
constexpr bool looks_so(rtp::Bytes bytes) { return bytes.size() >= 2 && bytes[1] >= 192 && bytes[1] <= 223; }

// A moment as a sender report tells it (section 4): ours count from when this machine was started, which section 6.4.1
// leaves to us, since nobody needs to compare two streams of ours.
constexpr std::uint64_t ntp(Nanos at) {
    constexpr Nanos second = 1'000'000'000;
    const auto fraction = (static_cast<std::uint64_t>(at % second) << 32) / second;
    return static_cast<std::uint64_t>(at / second) << 32 | fraction;
}

// The middle of an NTP timestamp: seconds in 65536ths, as report blocks count.
constexpr std::uint32_t middle(std::uint64_t ntp_time) { return static_cast<std::uint32_t>(ntp_time >> 16); }

// What a receiver says of one stream (section 6.4.1).
struct Block {
    std::uint32_t ssrc;
    int fraction;           // lost since the report before, in 256ths
    std::int32_t lost;      // since the beginning, 24 bits with a sign
    std::uint32_t highest;  // sequence number, extended by the times that it wrapped
    std::uint32_t jitter;   // in ticks of the stream's clock
    std::uint32_t last_report, delay;  // the middle of our last sender report's time, and how long ago that came
};

// What a sender says of its own stream.
struct Sender {
    std::uint64_t ntp_time;
    std::uint32_t timestamp, packets, octets;
};

// The part of a compound packet that concerns one stream of ours.
struct Compound {
    std::uint32_t ssrc = 0;  // who reports
    std::optional<Sender> sender;
    std::optional<Block> about_us;
    bool bye = false;
};

inline Block read_block(const std::uint8_t* at) {
    const std::int32_t lost = static_cast<std::int32_t>(rtp::read32(at + 4) << 8) >> 8;
    return {rtp::read32(at), at[4], lost, rtp::read32(at + 8), rtp::read32(at + 12), rtp::read32(at + 16), rtp::read32(at + 20)};
}

// Nothing when the bytes are not valid by RFC 3550 appendix A.2: version 2 throughout, a report first and without
// padding, lengths that add up, and room for all that is promised.
inline std::optional<Compound> parse(rtp::Bytes bytes, std::uint32_t our_ssrc) {
    Compound compound;
    if (bytes.empty() || (bytes[0] & 0x20) != 0) return std::nullopt;
    for (bool first = true; !bytes.empty(); first = false) {
        if (bytes.size() < 4 || bytes[0] >> 6 != 2) return std::nullopt;
        const std::size_t size = 4 + 4 * std::size_t{rtp::read16(&bytes[2])}, count = bytes[0] & 31u;
        if (size > bytes.size()) return std::nullopt;
        const std::uint8_t type = bytes[1];
        const bool report = type == sender_report || type == receiver_report;
        if (first && !report) return std::nullopt;
        if (report) {
            const std::size_t blocks = 8 + (type == sender_report ? sender_size : 0);
            if (size < blocks + count * block_size) return std::nullopt;
            if (first) compound.ssrc = rtp::read32(&bytes[4]);
            if (first && type == sender_report)
                compound.sender = {std::uint64_t{rtp::read32(&bytes[8])} << 32 | rtp::read32(&bytes[12]),
                                   rtp::read32(&bytes[16]), rtp::read32(&bytes[20]), rtp::read32(&bytes[24])};
            for (std::size_t i = 0; i < count; ++i) {
                const Block block = read_block(&bytes[blocks + i * block_size]);
                if (block.ssrc == our_ssrc) compound.about_us = block;
            }
        }
        if (type == goodbye) {
            if (size < 4 + 4 * count) return std::nullopt;
            compound.bye = compound.bye || count > 0;
        }
        bytes = bytes.subspan(size);
    }
    return compound;
}

// Writes one compound packet, part by part.
class Writer {
  public:
    explicit Writer(std::span<std::uint8_t> room) : room_(room) {}

    void report(std::uint32_t ssrc, const std::optional<Sender>& sender, const std::optional<Block>& block) {
        begin(sender ? sender_report : receiver_report, block ? 1 : 0);
        word(ssrc);
        if (sender) {
            word(static_cast<std::uint32_t>(sender->ntp_time >> 32));
            word(static_cast<std::uint32_t>(sender->ntp_time));
            word(sender->timestamp);
            word(sender->packets);
            word(sender->octets);
        }
        if (block) {
            word(block->ssrc);
            word(static_cast<std::uint32_t>(block->fraction) << 24 | (static_cast<std::uint32_t>(block->lost) & 0xFFFFFF));
            word(block->highest);
            word(block->jitter);
            word(block->last_report);
            word(block->delay);
        }
        finish();
    }

    void name(std::uint32_t ssrc, std::span<const char> cname) {
        begin(source_description, 1);
        word(ssrc);
        room_[size_++] = 1;  // CNAME, section 6.5.1
        room_[size_++] = static_cast<std::uint8_t>(cname.size());
        for (const char letter : cname) room_[size_++] = static_cast<std::uint8_t>(letter);
        do room_[size_++] = 0;  // the end of the items, up to a whole word
        while (size_ % 4 != 0);
        finish();
    }

    void bye(std::uint32_t ssrc) {
        begin(goodbye, 1);
        word(ssrc);
        finish();
    }

    std::size_t size() const { return size_; }

  private:
    void begin(Type type, int count) {
        began_ = size_;
        room_[size_] = static_cast<std::uint8_t>(0x80 | count);
        room_[size_ + 1] = type;
        size_ += 4;
    }
    void finish() { rtp::write16(&room_[began_ + 2], static_cast<std::uint16_t>((size_ - began_) / 4 - 1)); }
    void word(std::uint32_t value) {
        rtp::write32(&room_[size_], value);
        size_ += 4;
    }

    std::span<std::uint8_t> room_;
    std::size_t size_ = 0, began_ = 0;
};

}  // namespace media::rtcp
