// One media thread: a switch with sockets and a clock around it.
#pragma once
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include <sys/epoll.h>

#include "desk.hpp"
#include "ring.hpp"
#include "rounds.hpp"
#include "writer.hpp"

namespace media {

struct EngineConfig {
    int port_low, port_high;
    int threads;
    bool realtime;
    double silence_after;
};

Nanos monotonic();

// How long packets stayed in here, from waking up for them to having sent them on. Bucket n counts those under
// 2^n microseconds that no lower bucket holds.
struct Latency {
    static constexpr int buckets = 24;
    std::array<Counter, buckets> counts;
    Counter max_ns;
    void add(Nanos took);
};

class MediaThread;

// What the media threads of an engine share with one another, with the writer and with the control side.
struct Common {
    explicit Common(EngineConfig config_);

    // Any thread. Whoever tells something wakes the control side when it is done with that round.
    void tell(const Event& event);

    const EngineConfig config;
    Mailbox garbage;  // for the control side to delete
    Ring<Event, 16384> events;
    std::atomic<std::int64_t> events_lost{0};
    Descriptor events_waiting;
    Writer writer;
    std::vector<std::unique_ptr<MediaThread>> threads;  // the same from the first start to the last stop
};

class MediaThread final : private Output {
  public:
    explicit MediaThread(Common& common);

    void start();
    void stop();  // from then on the caller is the media thread
    void close_descriptors();
    bool started() const { return thread_.joinable(); }
    void post(std::unique_ptr<Command> command, When when);
    bool run_commands();
    void watch(Leg& leg);
    const char* scheduling() const { return scheduling_.load(); }
    const Latency& relay_latency() const { return latency_; }

  private:
    void run();
    void pause();
    void watch(int descriptor, void* tag, int how = EPOLL_CTL_ADD);
    std::optional<Address> take_datagram(int socket);
    void wait();
    void serve();
    void receive(void* it);
    bool receive_audio(Leg& leg, int socket);
    void settle(Leg& leg);
    bool asked() const;
    void arm_timer();
    void wake() { signal(wake_.get()); }
    void unwatch(Leg& leg);
    const char* ask_for_scheduling();

    void send(Leg& leg, rtp::Bytes packet) override;
    void send_report(Leg& leg, rtp::Bytes packet) override;
    void tap(Tap& tap) override;
    void recorded_all(Recorder& recorder) override;
    void event(const Event& event) override;
    void unsettled(Leg& leg) override;
    void leaving(Leg& leg) override { unwatch(leg); }
    void arrived(Leg& leg) override { watch(leg); }
    void left(Handover& nodes) override;
    void closed_leg(Leg& leg) override;
    void closed_tap(Tap& tap) override;
    void closed(Parcel& parcel) override { common_.garbage.post(&parcel); }

    Common& common_;
    Switch switch_;
    Mailbox commands_;
    Descriptor wake_, soon_, timer_, epoll_;
    Latency latency_;
    std::atomic<const char*> scheduling_{"normal"};
    std::atomic<bool> running_{false}, stopping_{false};
    std::thread thread_;

    // The thread's own.
    Parcel* first_command_ = nullptr;  // of those that are out of the mailbox and wait
    Nanos woke_ = 0, armed_ = 0;
    Rounds rounds_;
    static constexpr std::size_t most_ready = 256;
    std::array<void*, most_ready> ready_;  // sockets that have packets to be served, by their tags in epoll
    std::size_t ready_count_ = 0;
    bool receiving_ = false, event_posted_ = false;
    std::array<std::uint8_t, 2048> datagram_{};
    std::size_t datagram_size_ = 0;
};

}  // namespace media
