// The media engine: media threads with a switch each, a writer for recordings, and the control side of them all.
#pragma once
#include "media_thread.hpp"

namespace media {

struct LatencyReport {
    double max_us;
    std::array<std::int64_t, Latency::buckets> counts;
};

class Engine final : public Desk {
  public:
    explicit Engine(EngineConfig config);
    ~Engine() { close(); }

    void start();
    void close();
    const char* scheduling() const;  // the least that any thread was granted
    int fileno() const { return common_.events_waiting.get(); }

    std::pair<int, int> open_leg(const std::string& ip);  // node, port
    std::pair<int, int> open_recorder(const std::string& path, bool mask_tones);
    int open_tap(int socket, int piece_ms, int rate);
    std::vector<Event> drain();
    std::int64_t events_lost() const { return common_.events_lost.load(std::memory_order_relaxed); }
    LatencyReport relay_latency() const;

  private:
    void submit(int thread, std::unique_ptr<Command> command, When when) override;
    Nanos now() const override { return monotonic(); }
    MediaThread& thread(int number) const { return *common_.threads[static_cast<std::size_t>(number)]; }
    void refuse_when_closed() const;

    Common common_;
    bool closed_ = false;
};

}  // namespace media
