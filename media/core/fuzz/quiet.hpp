// What the fuzz targets share: a switch whose output nobody takes, and a reader of the fuzzer's bytes.
#pragma once
#include "../desk.hpp"

namespace media::fuzz {

class QuietSwitch final : public Desk, private Output {
  public:
    QuietSwitch() : switch_(*this, 10'000 * millisecond) { switch_.advance(now_); }
    ~QuietSwitch() { close_all(); }

    void pass(Nanos time) { switch_.advance(now_ += time); }
    void packet(int id, rtp::Bytes bytes, Address from) { switch_.packet(leg(id), bytes, from, now_); }
    void report(int id, rtp::Bytes bytes, Address from) { switch_.report(leg(id), bytes, from, now_); }

  private:
    void submit(int, std::unique_ptr<Command> command, When) override { command->run(switch_); }
    Nanos now() const override { return now_; }

    void send(Leg&, rtp::Bytes) override {}
    void send_report(Leg&, rtp::Bytes) override {}
    void tap(Tap&) override {}
    void recorded_all(Recorder& recorder) override { delete &recorder; }
    void event(const Event&) override {}
    void unsettled(Leg&) override {}
    void leaving(Leg&) override {}
    void arrived(Leg&) override {}
    void left(Handover&) override {}
    void closed_leg(Leg& leg) override { delete &leg; }
    void closed_tap(Tap& tap) override { delete &tap; }
    void closed(Parcel& parcel) override { delete &parcel; }

    Switch switch_;
    Nanos now_ = 1'000 * millisecond;
};

class Reader {
  public:
    Reader(const std::uint8_t* data, std::size_t size) : rest_(data, size) {}
    bool done() const { return rest_.empty(); }
    int byte() { return rest_.empty() ? 0 : bytes(1)[0]; }
    int word() {
        const int high = byte();
        return high << 8 | byte();
    }
    rtp::Bytes bytes(std::size_t count) {
        const rtp::Bytes taken = rest_.first(std::min(count, rest_.size()));
        rest_ = rest_.subspan(taken.size());
        return taken;
    }

  private:
    rtp::Bytes rest_;
};

}  // namespace media::fuzz
