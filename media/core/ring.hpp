// A ring for one producer thread and one consumer thread; a full ring refuses, it never waits.
#pragma once
#include <atomic>
#include <cstddef>
#include <memory>

namespace media {

template <typename Item, std::size_t Size>
class Ring {
  public:
    Ring() : items_(std::make_unique<Item[]>(Size)) {}

    // Producer: the free place to fill in and then `push`, or null when the ring is full.
    Item* back() {
        const std::size_t head = head_.load(std::memory_order_relaxed);
        return head - tail_.load(std::memory_order_acquire) == Size ? nullptr : &items_[head % Size];
    }
    void push() { head_.store(head_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }

    // Consumer: the `ahead`-th waiting item, or null when fewer wait; `pop` frees the oldest ones.
    Item* front(std::size_t ahead = 0) {
        const std::size_t tail = tail_.load(std::memory_order_relaxed);
        return head_.load(std::memory_order_acquire) - tail <= ahead ? nullptr : &items_[(tail + ahead) % Size];
    }
    void pop(std::size_t count = 1) { tail_.store(tail_.load(std::memory_order_relaxed) + count, std::memory_order_release); }

  private:
    std::unique_ptr<Item[]> items_;
    alignas(64) std::atomic<std::size_t> head_{0};
    alignas(64) std::atomic<std::size_t> tail_{0};
};

}  // namespace media
