// The media switch without I/O: packets, commands and the time go in; packets, events, taps and recordings come out.
#pragma once
#include <optional>
#include <span>

#include "gains.hpp"
#include "handover.hpp"
#include "recorder.hpp"
#include "tap.hpp"

namespace media {

struct Event {
    enum class Type { digit, tone_digit, play_finished, first_packet, silence, trouble, resumed, recorder_closed };
    Type type;
    int node;
    std::int64_t value = 0;  // key, samples, silence in milliseconds, errno (0: too slow), recorded frames
    Address address{};
    std::int64_t missing = 0;  // frames of a recording
};

// Where everything goes that the switch puts out. Called in the middle of its work: take and return at once.
class Output {
  public:
    virtual void send(Leg& leg, rtp::Bytes packet) = 0;
    virtual void send_report(Leg& leg, rtp::Bytes packet) = 0;  // RTCP, to `leg.reports.destination`
    virtual void tap(Tap& tap) = 0;  // pieces wait; those that are not taken are offered again
    virtual void recorded_all(Recorder& recorder) = 0;  // after this the recorder belongs to whoever took it
    virtual void event(const Event& event) = 0;
    virtual void unsettled(Leg& leg) = 0;  // where its packets come from is open again
    virtual void leaving(Leg& leg) = 0;    // its packets are no longer for this thread
    virtual void arrived(Leg& leg) = 0;    // from now on they are
    virtual void left(Handover& nodes) = 0;  // everybody is out: say so, and then touch none of them any more
    virtual void closed_leg(Leg& leg) = 0;  // like `closed`; its sockets go too
    virtual void closed_tap(Tap& tap) = 0;
    virtual void closed(Parcel& parcel) = 0;  // no longer used here; whoever takes it deletes it

  protected:
    ~Output() = default;
};

// Nothing here allocates, blocks or asks for the time. Nodes, cells and sounds are handed in by reference, belong to
// the switch from then on, and come back through `Output::closed`.
class Switch {
  public:
    Switch(Output& output, Nanos silence_after) : output_(output), silence_after_(silence_after) {}

    // Run every tick that is due; commands and packets that follow happen at `now`.
    void advance(Nanos now);
    // When `advance` must be called next.
    std::optional<Nanos> deadline() const;

    void packet(Leg& leg, rtp::Bytes bytes, Address from, Nanos now);
    void report(Leg& leg, rtp::Bytes bytes, Address from, Nanos now);

    void open(Leg& leg);
    void open(Recorder& recorder);
    // Nodes go to another thread's switch, with their ticks, cells and whatever they are in the middle of.
    void leave(Handover& nodes);
    void arrive(const Handover& nodes);
    void set_format(Leg& leg, Equipment& equipment);
    void set_security(Leg& leg, Security& security);
    void set_remote(Leg& leg, Address address, bool rtcp_mux, Address rtcp);
    void set_gain(Cell& cell);
    void play(Player& player, Sound& sound);
    void finish(Player& player);
    void stop(Player& player);
    void send_digit(Leg& leg, std::uint8_t code, int duration_samples);
    void close(Leg& leg);
    void close(Player& player);
    void close(Tap& tap);
    void close(Recorder& recorder);

  private:
    using Unprotect = std::size_t (Srtp::*)(std::uint8_t*, std::size_t);
    rtp::Bytes open(Leg& leg, rtp::Bytes bytes, Unprotect unprotect, std::size_t ssrc_at);
    void refuse_unopened(Leg& leg, Address from);
    void refuse_stranger(Leg& leg, Address from);
    void refuse_malformed(Leg& leg, const std::optional<rtp::Packet>& packet, Address from);
    void hear(Leg& leg, const rtp::Packet& packet, Heard heard);
    void hear_held(Leg& leg);
    void relay(Leg& leg, const rtp::Packet& packet, Heard heard);
    void relay_to(Cell& cell, Leg& source, const rtp::Packet& packet, Heard heard);
    void catch_up(Leg& listener, const Leg& source, Gain from);
    void distribute(Leg& leg, const rtp::Packet& packet, Codec codec, Order order);
    void fall_silent(Leg& leg, const rtp::Packet& packet);
    void tap(Leg& leg, std::uint32_t timestamp, std::span<const Sample> samples);
    void tap_wide(Leg& leg, std::uint32_t timestamp, rtp::Bytes payload, bool recover);
    void sound(Leg& leg, std::uint32_t timestamp, std::span<const Sample> samples, Order order);
    void digit(Leg& leg, const rtp::Packet& packet);
    void relay_event(Cell& cell, Leg& source, const rtp::Packet& packet);
    void fill_segments(Leg& listener, const rtp::Packet& packet, TelephoneEvent event, std::int64_t until);
    void note_passing(Leg& listener, const Leg& source, const rtp::Packet& packet, std::uint32_t sent, std::int64_t segment,
                      int sounded);
    void send_event(Leg& leg, rtp::Header header, TelephoneEvent event);
    void send_event(Leg& leg, rtp::Header header, std::size_t size);
    void take_over(Leg& listener);
    void send(Leg& leg, rtp::Header header, std::size_t payload_size);

    void tick(int group, Nanos now);
    void produce(Node& node, Nanos now);
    void produce(Player& player, Nanos now);
    void consume(Node& node, Nanos now);
    bool mix(const Node& listener, Nanos now, Frame& mixed) const;
    void drop_faded(Node& listener);
    void send_mix(Leg& leg, Nanos now);
    void send_rest(Leg& leg, Nanos now);
    void send_samples(Leg& leg, Nanos now, std::span<const Sample> samples, bool fresh);
    void send_digits(Leg& leg, Nanos now);
    Gain faded_from(const Cell& cell, const Cell* old) const;
    bool sounds(const Node& source) const;
    void record(const Node& source, std::int64_t at, std::span<const Sample> samples);
    void record_change(Cell& cell, const Side& side, std::int64_t at, std::span<const Sample> samples);
    void end_run(Player& player);

    void send_reports();
    void send_report(Leg& leg, bool bye);
    void schedule_report(Leg& leg);
    void cancel_report(Leg& leg);
    void link_report(Leg& leg);
    void unlink_report(Leg& leg);

    bool wants_ticks(Node& node) const;
    void wake(Node& node);
    void wake_with_sources(Node& listener);
    void wake_listeners(Node& source);
    void link(Node& node, int group);
    void unlink(Node& node);
    void take_out(Node& node);
    void detach(Node& node);
    void list(Leg& leg);
    void unlist(Leg& leg);
    void list(Recorder& recorder);
    void unlist(Recorder& recorder);
    void cut_fading(Node& node, const Handover& staying_together);
    void admit(const Handover& nodes);
    void adopt(Switch& guests);
    void fill_silence();
    void check_silence();
    void hand_over(Tap& tap) {
        if (tap.pieces.waiting()) output_.tap(tap);
    }
    // Is this cell a tap that gets what the leg says as it comes?
    static bool taps(const Cell& cell, const Leg& leg) {
        return cell.listener.kind == Kind::tap && gains::feed(cell.listener).direct == &leg;
    }
    void check_recorders();

    static constexpr int press_samples = 1280;        // how long a press of our own is, for want of anything better
    static constexpr Nanos recent = 100 * millisecond;  // packets that come further apart are not one sound

    Output& output_;
    const Nanos silence_after_;
    Nanos now_ = 0;
    std::int64_t slot_ = 0;  // the last millisecond whose ticks have been run
    std::array<Node*, groups> ticking_{};
    std::int64_t reported_ = 0;  // the last step of `ReportClock` whose reports have been sent
    std::array<Leg*, ReportClock::steps> reporting_{};
    Leg* legs_ = nullptr;
    Recorder* recorders_ = nullptr;
    alignas(8) std::array<std::uint8_t, rtp::max_packet + srtp_overhead> packet_{};  // on its way out
    alignas(8) std::array<std::uint8_t, rtp::max_packet + srtp_overhead> opened_{};  // what SRTP brought in
    std::array<Sample, rtp::max_payload> decoded_{};
};

}  // namespace media
