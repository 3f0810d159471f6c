// A ring for many producer threads and one consumer thread; a full ring refuses, it never waits.
#pragma once
#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>

namespace media {

// What happened before something else, on whatever thread, is taken before it.
template <typename Item, std::size_t Size>
class Ring {
  public:
    Ring() : places_(std::make_unique<Place[]>(Size)) {
        for (std::size_t i = 0; i < Size; ++i) places_[i].turn.store(i, std::memory_order_relaxed);
    }

    // False when the ring is full.
    bool push(const Item& item) {
        std::size_t at = head_.load(std::memory_order_relaxed);
        for (;;) {
            Place& place = places_[at % Size];
            const std::size_t turn = place.turn.load(std::memory_order_acquire);
            if (turn == at) {
                if (!head_.compare_exchange_weak(at, at + 1, std::memory_order_relaxed)) continue;
                place.item = item;
                place.turn.store(at + 1, std::memory_order_release);
                return true;
            }
            if (turn < at) return false;  // not taken yet, one round ago
            at = head_.load(std::memory_order_relaxed);
        }
    }

    std::optional<Item> pop() {
        Place& place = places_[tail_ % Size];
        if (place.turn.load(std::memory_order_acquire) != tail_ + 1) return std::nullopt;
        const Item item = place.item;
        place.turn.store(tail_++ + Size, std::memory_order_release);
        return item;
    }

  private:
    struct Place {
        std::atomic<std::size_t> turn;  // n: free for the n-th item; n + 1: holds it
        Item item;
    };

    const std::unique_ptr<Place[]> places_;
    alignas(64) std::atomic<std::size_t> head_{0};
    alignas(64) std::size_t tail_ = 0;  // the consumer's own
};

}  // namespace media
