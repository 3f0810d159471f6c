// A lock-free one-way box between two threads: any number of items, nothing allocated by posting one.
#pragma once
#include <atomic>
#include <utility>

namespace media {

// What travels in a mailbox, and what the media thread hands back for the control side to delete.
struct Parcel {
    Parcel* next_parcel = nullptr;
    Parcel() = default;
    Parcel(const Parcel&) = delete;
    Parcel& operator=(const Parcel&) = delete;
    virtual ~Parcel() = default;
};

class Mailbox {
  public:
    Mailbox() = default;
    Mailbox(const Mailbox&) = delete;
    Mailbox& operator=(const Mailbox&) = delete;
    ~Mailbox() { discard_all(); }

    // True when the box was empty, so that the reader has to be told.
    bool post(Parcel* parcel) {
        Parcel* top = top_.load(std::memory_order_relaxed);
        do parcel->next_parcel = top;
        while (!top_.compare_exchange_weak(top, parcel, std::memory_order_release, std::memory_order_relaxed));
        return top == nullptr;
    }

    bool waiting() const { return top_.load(std::memory_order_relaxed) != nullptr; }

    // Everything posted so far, oldest first, as a chain; the caller owns it.
    Parcel* take_all() {
        Parcel* newest = top_.exchange(nullptr, std::memory_order_acquire);
        Parcel* oldest = nullptr;
        while (newest != nullptr) {
            Parcel* next = newest->next_parcel;
            newest->next_parcel = oldest;
            oldest = newest;
            newest = next;
        }
        return oldest;
    }

    void discard_all() {
        for (Parcel* parcel = take_all(); parcel != nullptr;) delete std::exchange(parcel, parcel->next_parcel);
    }

  private:
    std::atomic<Parcel*> top_{nullptr};
};

}  // namespace media
