// RTP packets (RFC 3550 section 5.1): a checked view of what came in, and the 12-byte header of what goes out.
#pragma once
#include <cstdint>
#include <optional>
#include <span>

namespace media::rtp {

inline constexpr std::size_t header_size = 12, ssrc_at = 8;
inline constexpr std::size_t max_payload = 1440;  // what fits into an Ethernet frame: 180 ms of G.711
inline constexpr std::size_t max_packet = header_size + max_payload;

using Bytes = std::span<const std::uint8_t>;

struct Packet {
    bool marker;
    std::uint8_t payload_type;
    std::uint16_t sequence;
    std::uint32_t timestamp;
    std::uint32_t ssrc;
    Bytes payload;
};

constexpr std::uint16_t read16(const std::uint8_t* at) { return static_cast<std::uint16_t>(at[0] << 8 | at[1]); }

constexpr std::uint32_t read32(const std::uint8_t* at) {
    return static_cast<std::uint32_t>(read16(at)) << 16 | read16(at + 2);
}

constexpr void write16(std::uint8_t* at, std::uint16_t value) {
    at[0] = static_cast<std::uint8_t>(value >> 8);
    at[1] = static_cast<std::uint8_t>(value);
}

constexpr void write32(std::uint8_t* at, std::uint32_t value) {
    write16(at, static_cast<std::uint16_t>(value >> 16));
    write16(at + 2, static_cast<std::uint16_t>(value));
}

// Nothing when the bytes are no RTP version 2 packet or promise more than they hold.
inline std::optional<Packet> parse(Bytes bytes) {
    if (bytes.size() < header_size || bytes[0] >> 6 != 2) return std::nullopt;
    std::size_t begin = header_size + 4 * (bytes[0] & 15u), end = bytes.size();
    if (begin > end) return std::nullopt;
    if (bytes[0] & 0x10) {  // header extension, RFC 3550 section 5.3.1
        if (begin + 4 > end) return std::nullopt;
        begin += 4 + 4 * std::size_t{read16(&bytes[begin + 2])};
        if (begin > end) return std::nullopt;
    }
    if (bytes[0] & 0x20) {  // padding: the last byte counts itself
        const std::size_t padding = bytes[end - 1];
        if (padding == 0 || begin + padding > end) return std::nullopt;
        end -= padding;
    }
    return Packet{(bytes[1] & 0x80) != 0, static_cast<std::uint8_t>(bytes[1] & 0x7F), read16(&bytes[2]),
                  read32(&bytes[4]),      read32(&bytes[8]),                          bytes.subspan(begin, end - begin)};
}

struct Header {
    bool marker;
    std::uint8_t payload_type;
    std::uint16_t sequence;
    std::uint32_t timestamp;
    std::uint32_t ssrc;
};

constexpr void write_header(std::uint8_t* at, const Header& header) {
    at[0] = 0x80;
    at[1] = static_cast<std::uint8_t>((header.marker ? 0x80 : 0) | header.payload_type);
    write16(at + 2, header.sequence);
    write32(at + 4, header.timestamp);
    write32(at + 8, header.ssrc);
}

// How far `a` is ahead of `b`, modulo the counter's width.
constexpr int ahead(std::uint16_t a, std::uint16_t b) { return static_cast<std::int16_t>(a - b); }
constexpr std::int32_t ahead(std::uint32_t a, std::uint32_t b) { return static_cast<std::int32_t>(a - b); }

}  // namespace media::rtp
