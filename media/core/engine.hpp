// The media engine: a switch with sockets, a clock and two threads around it.
#pragma once
#include <atomic>
#include <thread>

#include "desk.hpp"
#include "ring.hpp"
#include "writer.hpp"

namespace media {

struct EngineConfig {
    int port_low, port_high;
    bool realtime;
    double silence_after;
};

// How long packets stayed in here, from waking up for them to having sent them on. Bucket n counts those under
// 2^n microseconds that no lower bucket holds.
struct Latency {
    static constexpr int buckets = 24;
    std::array<Counter, buckets> counts;
    Counter max_ns;
    void add(Nanos took);
};

class Engine final : public Desk, private Output {
  public:
    explicit Engine(EngineConfig config);
    ~Engine() { close(); }

    void start();
    void close();
    bool closed() const { return closed_; }
    const char* scheduling() const { return scheduling_.load(); }
    int fileno() const { return events_waiting_.get(); }

    std::pair<int, int> open_leg(const std::string& ip);  // node, port
    std::pair<int, int> open_recorder(const std::string& path, bool mask_tones);
    int open_tap(int socket, int piece_ms);
    std::vector<Event> drain();
    std::int64_t events_lost() const { return events_lost_.get(); }
    const Latency& relay_latency() const { return latency_; }

  private:
    void submit(std::unique_ptr<Command> command) override;
    Nanos now() const override;

    void run();
    void pause();
    std::optional<Address> take_datagram(int socket);
    void receive(Leg& leg);
    void receive_report(Leg& leg);
    void run_commands();
    void arm_timer();
    const char* ask_for_scheduling();

    void send(Leg& leg, rtp::Bytes packet) override;
    void send_report(Leg& leg, rtp::Bytes packet) override;
    void tap(Tap& tap, std::span<const Sample> piece) override;
    void recorded_all(Recorder& recorder) override;
    void event(const Event& event) override;
    void unsettled(Leg& leg) override;
    void closed_leg(Leg& leg) override;
    void closed_tap(Tap& tap) override;
    void closed(Parcel& parcel) override { garbage_.post(&parcel); }

    using Events = Ring<Event, 16384>;

    const EngineConfig config_;
    Switch switch_;
    Mailbox commands_, garbage_;
    Events media_events_, writer_events_;
    Counter events_lost_;
    Descriptor events_waiting_, wake_, timer_, epoll_;
    Writer writer_;
    Latency latency_;
    std::atomic<const char*> scheduling_{"normal"};
    std::atomic<bool> running_{false}, stopping_{false};
    bool closed_ = false;
    std::thread thread_;

    // The media thread's own.
    Nanos woke_ = 0, woke_before_ = 0, armed_ = 0;
    bool receiving_ = false, event_posted_ = false;
    std::array<std::uint8_t, 2048> datagram_{};
    std::size_t datagram_size_ = 0;
};

}  // namespace media
