// The control side: names nodes by number, checks what is asked, and turns it into commands for the switch of the media
// thread on which the node lives.
#pragma once
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "homes.hpp"
#include "switch.hpp"

namespace media {

struct Command : Parcel {
    // Nothing that was asked of the thread later is done before this can be.
    virtual bool ready() const { return true; }
    virtual void run(Switch& to) = 0;
};

// When a thread sees to a command. To wake it for each takes the processor from whoever asks, so that is only for what
// begins or ends a sound, is waited for, or changes where packets are read. What is asked for `soon` is done within 5 ms,
// and in any case before the thread's next packet, tick or other command: nobody can hear the difference.
enum class When { now, soon };

// Nodes leave a thread, or arrive at it.
struct Moving : Command {
    explicit Moving(std::shared_ptr<Handover> handover_) : handover(std::move(handover_)) {}
    const std::shared_ptr<Handover> handover;
};

// A node that is not open, or not of the kind that was needed.
struct NoSuchNode : std::exception {
    explicit NoSuchNode(int node_) : node(node_) {}
    const int node;
};

// The fields of media/engine.py's LegStats and FarSide.
struct LegReport {
    std::int64_t packets_in, packets_out, strangers, malformed, lost;
    double jitter_ms, age_ms;
    std::int64_t unprotected, other_stream, foreign, last_type;
    int codec;
    Address announced, source, stranger;
    struct {
        std::int64_t received, written, refused, heard, packets, expected, lost;
        double jitter_ms, round_trip_ms;
        bool left;
    } far;
};

Address parse_address(const std::string& ip, int port);
std::string ip_text(Address address);

class Desk {
  public:
    explicit Desk(int threads = 1) : homes_(threads) {}
    virtual ~Desk() = default;

    Leg& add_leg(Beginning with, LegSockets sockets = {});
    int open_player();
    Recorder& add_recorder(bool mask_tones = false, int file = -1);
    Tap& add_tap(int piece_ms, int rate = 8000, int socket = -1);

    // `digit_clock`: of the telephone-events, in hertz; `packet_ms`: 10, 20, 30, 40 or 60. Received is by the same
    // payload types as sent, unless others are given.
    void set_codec(int leg, int codec, int payload_type, int digit_payload_type, int digit_clock, int packet_ms,
                   bool comfort_noise, int receive_payload_type = -1, int receive_digit_payload_type = -1);
    // Keys are master key and salt; an empty suite is plain RTP.
    void set_srtp(int leg, const std::string& suite, std::vector<std::uint8_t> send, std::vector<std::uint8_t> receive);
    // `rtcp`: where its reports go, if not to the port above or, with `rtcp_mux`, to the same.
    void set_remote(int leg, const std::string& ip, int port, bool rtcp_mux = false,
                    const std::optional<std::pair<std::string, int>>& rtcp = std::nullopt);
    void set_gain(int listener, int source, double gain);
    void play(int player, SharedSamples samples, bool loop);
    void finish(int player);
    void stop(int player);
    void send_digit(int leg, const std::string& key, int duration_ms);
    void close_node(int node);
    LegReport stats(int leg) const;
    std::int64_t tap_drops(int tap) const;
    int thread(int id) const { return home(node(id)); }  // on which the node lives, or is about to
    int open_nodes() const { return static_cast<int>(nodes_.size()); }

  protected:
    static void check_tap(int piece_ms, int rate);
    // Each thread runs its commands in this order; of two threads' commands none waits for one that is submitted later.
    virtual void submit(int thread, std::unique_ptr<Command> command, When when) = 0;
    virtual Nanos now() const = 0;
    void close_all();
    Leg& leg(int id) const;
    int home(const Node& node) const { return homes_.of(node); }

  private:
    template <typename Action>
    void post(int thread, Action action, When when = When::soon);
    void move(Homes::Move move);
    Node& node(int id) const;
    Player& player(int id) const;
    void close(Node& closing);
    void forget(const Node& closing);

    std::unordered_map<int, Node*> nodes_;
    Homes homes_;
    int last_id_ = 0;
};

}  // namespace media
