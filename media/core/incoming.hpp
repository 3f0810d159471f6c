// What a leg knows about the RTP stream that comes in: order, loss and jitter (RFC 3550 appendices A.1, A.3, A.8).
#pragma once
#include <atomic>
#include <cstdint>

#include "rtp.hpp"
#include "samples.hpp"

namespace media {

// Counters with one writer thread and any number of readers.
class Counter {
  public:
    Counter() = default;
    explicit Counter(std::int64_t value) : value_(value) {}
    void add(std::int64_t more) { set(get() + more); }
    void set(std::int64_t value) { value_.store(value, std::memory_order_relaxed); }
    std::int64_t get() const { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<std::int64_t> value_{0};
};

enum class Order { newest, late, refused };  // late: out of order but in time; refused: seen before, or far too old

class Incoming {
  public:
    std::uint32_t epoch = 0;  // grows when the sender starts a new stream
    int missing = 0;          // packets that have not come before the newest one
    Counter lost, jitter;     // jitter in sixteenths of a sample, as appendix A.8 keeps it

    Order receive(const rtp::Packet& packet) {
        const int step = rtp::ahead(packet.sequence, static_cast<std::uint16_t>(highest_));
        if (epoch == 0 || packet.ssrc != ssrc_ || step > max_dropout || step < -max_misorder) {
            begin(packet);
            return Order::newest;
        }
        if (step > 0) {
            missing = step - 1;
            lost.add(missing);
            seen_ = step >= window ? 1 : seen_ << step | 1;
            highest_ += static_cast<std::uint32_t>(step);
            return Order::newest;
        }
        const std::uint64_t bit = -step < window ? std::uint64_t{1} << -step : 0;
        if (bit == 0 || (seen_ & bit) != 0) return Order::refused;
        seen_ |= bit;
        if (lost.get() > 0) lost.add(-1);
        return Order::late;
    }

    // Of the present stream alone, as receiver reports count.
    std::uint32_t ssrc() const { return ssrc_; }
    std::uint32_t highest() const { return highest_; }  // sequence number, extended by the times that it wrapped
    std::int64_t expected() const { return std::int64_t{highest_} - first_ + 1; }
    std::int64_t lost_in_epoch() const { return lost.get() - lost_before_; }
    std::int64_t accepted() const { return expected() - lost_in_epoch(); }

    void time(std::uint32_t timestamp, std::int64_t arrival) {
        const std::uint32_t transit = static_cast<std::uint32_t>(arrival) - timestamp;
        if (timed_) {
            const std::int64_t change = rtp::ahead(transit, transit_);
            jitter.add((change < 0 ? -change : change) - ((jitter.get() + 8) >> 4));
        }
        timed_ = true;
        transit_ = transit;
    }

  private:
    static constexpr int max_dropout = 3000, max_misorder = 100, window = 64;

    void begin(const rtp::Packet& packet) {
        ++epoch;
        ssrc_ = packet.ssrc;
        highest_ = first_ = packet.sequence;
        lost_before_ = lost.get();
        seen_ = 1;
        missing = 0;
        timed_ = false;
    }

    std::uint32_t ssrc_ = 0, transit_ = 0;
    std::uint32_t highest_ = 0;
    std::uint64_t seen_ = 0;  // bit n: the packet n before the newest has arrived
    bool timed_ = false;
    std::uint16_t first_ = 0;
    std::int64_t lost_before_ = 0;
};

}  // namespace media
