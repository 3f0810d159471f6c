// What a leg and its far end tell each other about their two streams, every few seconds (RFC 3550 section 6.4).
#pragma once
#include <utility>

#include "incoming.hpp"
#include "origin.hpp"
#include "outgoing.hpp"
#include "rtcp.hpp"

namespace media {

struct Leg;

// How many packets and bytes of payload a stream of ours has had by now.
struct SentSoFar {
    std::int64_t packets, octets;
};

// Who we are to the far end: what the stream began with, in hexadecimal digits. It is random, new for every leg, and
// says nothing about this machine (RFC 7022 section 3.1).
class CanonicalName {
  public:
    CanonicalName(std::uint32_t ssrc, std::uint16_t sequence, std::uint32_t timestamp) {
        const std::array<std::uint16_t, 5> parts{static_cast<std::uint16_t>(ssrc >> 16), static_cast<std::uint16_t>(ssrc), sequence,
                                                 static_cast<std::uint16_t>(timestamp >> 16), static_cast<std::uint16_t>(timestamp)};
        for (std::size_t i = 0; i < letters_.size(); ++i)
            letters_[i] = "0123456789abcdef"[parts[i / 4] >> (12 - i % 4 * 4) & 15];
    }
    std::span<const char> letters() const { return letters_; }

  private:
    std::array<char, 20> letters_{};
};

// When a leg's reports are due. With two members the interval is the fixed minimum, five seconds, times one half to one
// and a half, and half of that before the first (section 6.2). Nobody joins or leaves meanwhile, so the timer is never
// reconsidered, and what section 6.3.1 divides by to make up for that is left out. What is random in it comes from the
// SSRC, which is.
class ReportClock {
  public:
    static constexpr Nanos step = 16 * millisecond;
    static constexpr std::size_t steps = 512;  // 8.2 s: more than the longest interval

    explicit ReportClock(std::uint32_t seed) : random_(seed) {}

    // The step in which the next report is due.
    std::int64_t next(Nanos now) {
        random_ = random_ * 1'664'525 + 1'013'904'223;
        const std::int64_t mean = std::exchange(mean_, 5'000);
        return (now / millisecond + mean / 2 + mean * (random_ >> 16) / 65'536) * millisecond / step + 1;
    }

  private:
    std::uint32_t random_;
    std::int64_t mean_ = 2'500;  // milliseconds
};

struct Reports {
    explicit Reports(const Outgoing& out, CanonicalName name_) : clock(out.ssrc()), name(name_), far_highest(out.first() - 1u) {}

    // Where the far end's reports come from and ours go to: next to its RTP, or where it announced (RFC 3605), or on
    // the same port (RFC 5761). Where they come from another port of the same host, that one is followed (RFC 4961).
    void signal(bool muxed_, Address announced_, bool moved) {
        if (moved || muxed != muxed_ || announced != announced_) learned = {};
        muxed = muxed_;
        announced = announced_;
    }
    Address expected(Address remote) const {
        if (muxed) return remote;
        return announced.port != 0 ? announced : Address{remote.ip, static_cast<std::uint16_t>(remote.port + 1)};
    }
    Address destination(Address remote) const { return learned.port != 0 && !muxed ? learned : expected(remote); }
    bool plausible(Address from, Address remote) const {
        if (remote.port == 0) return false;
        return from == expected(remote) || (from.ip == remote.ip && (learned.port == 0 || from == learned));
    }

    // A compound packet about both streams; returns its size.
    std::size_t write(std::span<std::uint8_t> room, const Outgoing& out, const Incoming& in, SentSoFar sent, int in_ratio,
                      Nanos now, bool bye) {
        rtcp::Writer writer(room);
        writer.report(out.ssrc(), about_sent(out, sent, now), about_received(in, in_ratio, now));
        writer.name(out.ssrc(), name.letters());
        if (bye) writer.bye(out.ssrc());
        written.add(1);
        return writer.size();
    }

    // `ratio`: ticks of our stream's clock in one 8 kHz sample; `heard_ssrc`: the stream of theirs that is heard, whose
    // report no other stream's takes the place of.
    void read(const rtcp::Compound& told, std::uint32_t heard_ssrc, int ratio, Nanos now) {
        received.add(1);
        if (told.bye) left.set(1);
        const bool answered = their_report_at != 0 && their_ssrc == heard_ssrc;
        if (told.sender && (told.ssrc == heard_ssrc || !answered)) {
            their_ssrc = told.ssrc;
            their_report = rtcp::middle(told.sender->ntp_time);
            their_report_at = now;
            far_packets.set(told.sender->packets);
        }
        if (!told.about_us) return;
        const rtcp::Block& block = *told.about_us;
        heard.add(1);
        add_loss(block);
        far_jitter_us.set(std::int64_t{block.jitter} * 125 / ratio);
        // Only an answer to our newest report tells how long the way is; anything else may be made up.
        if (block.last_report == 0 || block.last_report != our_report) return;
        const auto took = static_cast<std::int32_t>(rtcp::middle(rtcp::ntp(now)) - block.last_report - block.delay);
        round_trip_us.set(std::int64_t{std::max(took, 0)} * 1'000'000 / 65'536);
    }

    bool muxed = false;
    Address announced, learned;
    ReportClock clock;
    const CanonicalName name;

    std::int64_t due = -1;  // the step of the next report; none before there is a far end
    Leg* next_due = nullptr;
    Leg* previous_due = nullptr;

    // For the control side to read.
    Counter written, received, heard, strangers, malformed, left;
    Counter far_packets{-1}, far_lost, far_expected, far_jitter_us, round_trip_us{-1};

  private:
    // A sender report, where something was sent since the report before the last (section 6.4).
    std::optional<rtcp::Sender> about_sent(const Outgoing& out, SentSoFar sent, Nanos now) {
        const bool sends = sent.packets > std::exchange(packets_before, std::exchange(packets_at_report, sent.packets));
        if (!sends) return std::nullopt;
        const std::uint64_t time = rtcp::ntp(now);
        our_report = rtcp::middle(time);
        return rtcp::Sender{time, out.clock_at(now), static_cast<std::uint32_t>(sent.packets), static_cast<std::uint32_t>(sent.octets)};
    }

    // A report block, where something came since the last report (appendix A.3).
    std::optional<rtcp::Block> about_received(const Incoming& in, int ratio, Nanos now) {
        if (in.epoch == 0 || (in.epoch == epoch && in.accepted() == accepted)) return std::nullopt;
        if (in.epoch != epoch) expected_before = lost_before = 0;
        epoch = in.epoch;
        accepted = in.accepted();
        const std::int64_t expected_now = in.expected(), lost = in.lost_in_epoch();
        const std::int64_t due_since = expected_now - std::exchange(expected_before, expected_now);
        const std::int64_t lost_since = lost - std::exchange(lost_before, lost);
        const std::int64_t fraction = due_since > 0 && lost_since > 0 ? std::min<std::int64_t>(lost_since * 256 / due_since, 255) : 0;
        rtcp::Block block{in.ssrc(), static_cast<int>(fraction),
                          static_cast<std::int32_t>(std::clamp<std::int64_t>(lost, -0x800000, 0x7FFFFF)), in.highest(),
                          static_cast<std::uint32_t>((in.jitter.get() >> 4) * ratio), 0, 0};
        if (their_report_at != 0 && their_ssrc == in.ssrc()) {
            const Nanos ago = std::min(now - their_report_at, 65'535 * 1'000 * millisecond);
            block.last_report = their_report;
            block.delay = static_cast<std::uint32_t>(ago / 1'000 * 65'536 / 1'000'000);
        }
        return block;
    }

    // The far end may begin anew in the middle of a call, so what counts is the change from report to report.
    void add_loss(const rtcp::Block& block) {
        const std::int32_t step = rtp::ahead(block.highest, std::exchange(far_highest, block.highest));
        const std::int64_t lost = block.lost - std::exchange(far_lost_before, block.lost);
        if (step < 0 || step > 0xFFFF || lost > step) return;
        far_expected.add(step);
        far_lost.set(std::max<std::int64_t>(0, far_lost.get() + lost));
    }

    std::int64_t packets_at_report = 0, packets_before = 0;
    std::uint32_t our_report = 0;
    std::uint32_t epoch = 0;
    std::int64_t accepted = 0, expected_before = 0, lost_before = 0;
    std::uint32_t their_ssrc = 0, their_report = 0;
    Nanos their_report_at = 0;
    std::uint32_t far_highest;
    std::int64_t far_lost_before = 0;
};

}  // namespace media
