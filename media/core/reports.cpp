#include "reports.hpp"

#include "switch.hpp"

namespace media {

// ---- what comes in

// Believed is who sits where the leg's audio goes: whoever else may send reports could only tell us lies.
void Switch::report(Leg& leg, rtp::Bytes bytes, Address from, Nanos now) {
    now_ = std::max(now_, now);
    Reports& reports = leg.reports;
    if (!reports.plausible(from, leg.origin.remote())) return reports.strangers.add(1);
    if (leg.security.receive && (bytes = open(leg, bytes, &Srtp::unprotect_rtcp, rtcp::ssrc_at)).empty())
        return reports.strangers.add(1);
    const auto told = rtcp::parse(bytes, leg.out.ssrc());
    if (!told) return reports.malformed.add(1);
    reports.learned = from;
    reports.read(*told, leg.in.ssrc(), clock_ratio(leg.format.codec), now);
}

// ---- what goes out

// Legs whose reports are due stand in a wheel of steps, so that nobody looks for them among all legs, and the reports
// of many calls go out one by one.
void Switch::send_reports() {
    const std::int64_t due = now_ / ReportClock::step;
    reported_ = std::max(reported_, due - static_cast<std::int64_t>(ReportClock::steps));
    while (reported_ < due) {
        for (Leg *leg = reporting_[static_cast<std::size_t>(++reported_) % ReportClock::steps], *next; leg != nullptr; leg = next) {
            next = leg->reports.next_due;
            if (leg->reports.due > due) continue;  // after a halt we are behind, and it stands here for the next turn
            cancel_report(*leg);
            send_report(*leg, false);
            schedule_report(*leg);
        }
    }
}

void Switch::send_report(Leg& leg, bool bye) {
    if (!leg.origin.known()) return;
    const SentSoFar sent{leg.counters.packets_out.get(), leg.counters.octets_out.get()};
    std::size_t size =
        leg.reports.write(packet_, leg.out, leg.in, sent, clock_ratio(leg.format.codec), now_, bye);
    if (leg.security.send) size = leg.security.send->protect_rtcp(packet_.data(), size);
    if (size != 0) output_.send_report(leg, {packet_.data(), size});
}

void Switch::schedule_report(Leg& leg) {
    Reports& reports = leg.reports;
    reports.due = reports.clock.next(now_);
    link_report(leg);
}

void Switch::link_report(Leg& leg) {
    Reports& reports = leg.reports;
    Leg*& first = reporting_[static_cast<std::size_t>(reports.due) % ReportClock::steps];
    reports.previous_due = nullptr;
    reports.next_due = first;
    if (first != nullptr) first->reports.previous_due = &leg;
    first = &leg;
}

void Switch::cancel_report(Leg& leg) {
    if (leg.reports.due < 0) return;
    unlink_report(leg);
    leg.reports.due = -1;
}

void Switch::unlink_report(Leg& leg) {
    Reports& reports = leg.reports;
    Leg*& first = reporting_[static_cast<std::size_t>(reports.due) % ReportClock::steps];
    (reports.previous_due != nullptr ? reports.previous_due->reports.next_due : first) = reports.next_due;
    if (reports.next_due != nullptr) reports.next_due->reports.previous_due = reports.previous_due;
}

}  // namespace media
