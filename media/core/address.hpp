// Transport addresses of both families, alike.
#pragma once
#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>

namespace media {

// As IPv6 writes it, in network order: an address of IPv4 is ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2), so that all
// compare the same way.
struct Ip {
    std::array<std::uint8_t, 16> octets{};

    static constexpr std::array<std::uint8_t, 12> v4_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

    static constexpr Ip v4(std::array<std::uint8_t, 4> address) {
        Ip made;
        std::copy(v4_prefix.begin(), v4_prefix.end(), made.octets.begin());
        std::copy(address.begin(), address.end(), made.octets.begin() + 12);
        return made;
    }
    constexpr bool is_v4() const { return std::equal(v4_prefix.begin(), v4_prefix.end(), octets.begin()); }
    bool operator==(const Ip&) const = default;
};

struct Address {
    Ip ip;
    std::uint16_t port = 0;
    bool operator==(const Address&) const = default;
};

// An address with one writer thread and any number of readers. No machine word holds it, so it has an edition, which is
// odd while it is being written: who reads another edition afterwards than before has read a mixture, and reads again.
// Every part is released and acquired by itself, so that whoever sees a new part sees the new edition as well.
class SharedAddress {
  public:
    void set(Address value) {
        const std::uint32_t before = edition_.load(std::memory_order_relaxed);
        edition_.store(before + 1, std::memory_order_relaxed);
        const auto [first, second] = std::bit_cast<Halves>(value.ip.octets);
        first_.store(first, std::memory_order_release);
        second_.store(second, std::memory_order_release);
        port_.store(value.port, std::memory_order_release);
        edition_.store(before + 2, std::memory_order_release);
    }
    Address get() const {
        for (;;) {
            const std::uint32_t before = edition_.load(std::memory_order_acquire);
            const Halves halves{first_.load(std::memory_order_acquire), second_.load(std::memory_order_acquire)};
            const std::uint16_t port = port_.load(std::memory_order_acquire);
            if (before % 2 == 0 && edition_.load(std::memory_order_relaxed) == before)
                return {{std::bit_cast<std::array<std::uint8_t, 16>>(halves)}, port};
        }
    }

  private:
    struct Halves {
        std::uint64_t first, second;
    };
    std::atomic<std::uint64_t> first_{0}, second_{0};
    std::atomic<std::uint32_t> edition_{0};
    std::atomic<std::uint16_t> port_{0};
};

}  // namespace media
