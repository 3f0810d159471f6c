// Paced RTP load with a clock in its payload: how much delay does what lies between two sockets add?
//
// Reads one bridged call a line from stdin:  CALLER_LOCAL CALLER_REMOTE AGENT_LOCAL AGENT_REMOTE  (each ip:port).
// A line with SUPERVISOR_LOCAL SUPERVISOR_REMOTE behind is a mix of three: a stamp does not survive that, so what comes
// out is held against its own RTP clock: how much later than the earliest packet of its stream did it come?
// Both ends send 20 ms of G.711 (160 bytes) at 50 packets a second; whatever the caller's end sends must come out at
// the agent's end, and the other way round. The payload carries the sender's CLOCK_MONOTONIC time, so it must pass
// bit for bit (same codec on both legs, no mixing). Prints one JSON object. Usage: rtpload [--seconds S] [--warmup S]
//
// What is due is sent in rounds of 100 us, so that one core can play a thousand calls and more.
//
// All sockets have the same period, so the sending order is a circle: packet i leaves end i mod N at start + i * step.

#include <arpa/inet.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

namespace {

using Nanoseconds = std::int64_t;
constexpr Nanoseconds second = 1'000'000'000, frame = 20'000'000;
/// The kernel stamps what arrives, so it may wait; and who sends to us need not wake us, as with a network in between.
constexpr Nanoseconds pause = 100'000, reading = 2'000'000;
constexpr std::uint32_t magic = 0x484f544c;
constexpr std::size_t header_size = 12, payload_size = 160;

/// What every payload begins with. Host byte order: the same machine reads it back.
struct Stamp {
    std::uint32_t magic;
    std::uint32_t end;  ///< which end sent it
    std::uint64_t number;
    Nanoseconds sent;
};

/// One side of one call.
struct End {
    int socket = -1;
    std::uint64_t packets = 0, sent = 0, received = 0, expected = 0;  ///< packets: with those that are not counted
    bool mixed = false;
    std::uint32_t first_timestamp = 0;  ///< of what a mixed end hears
    std::uint16_t first_sequence = 0, last_sequence = 0;
    std::vector<Nanoseconds> against_clock;
};

struct Totals {
    std::uint64_t sent = 0, received = 0, foreign = 0, misrouted = 0, reordered = 0, unsent = 0;
    std::uint64_t mixed = 0, mixed_lost = 0;
    Nanoseconds counted_from = 0;
    std::vector<Nanoseconds> delay, lateness, mixed_late;
};

Nanoseconds read_clock(clockid_t clock) {
    timespec now{};
    clock_gettime(clock, &now);
    return now.tv_sec * second + now.tv_nsec;
}

[[noreturn]] void fail(const std::string& problem) {
    std::cerr << "rtpload: " << problem << '\n';
    std::exit(2);
}

sockaddr_in parse_address(const std::string& text) {
    const auto colon = text.find(':');
    sockaddr_in address{};
    address.sin_family = AF_INET;
    if (colon == std::string::npos || inet_pton(AF_INET, text.substr(0, colon).c_str(), &address.sin_addr) != 1)
        fail("'" + text + "' is no address; ip:port would be right");
    address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(text.c_str() + colon + 1)));
    return address;
}

End open_end(const std::string& local, const std::string& remote) {
    const auto here = parse_address(local), there = parse_address(remote);
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), on = 1, room = 1 << 20;
    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    if (bind(fd, reinterpret_cast<const sockaddr*>(&here), sizeof here) != 0) fail("cannot bind " + local + ": " + strerror(errno));
    if (connect(fd, reinterpret_cast<const sockaddr*>(&there), sizeof there) != 0) fail("cannot reach " + remote + ": " + strerror(errno));
    End end;
    end.socket = fd;
    return end;
}

/// Even ends are callers, odd ones agents; 2k and 2k+1 are one call. Supervisors stand behind them all.
std::vector<End> open_calls(std::istream& lines) {
    std::vector<End> ends, supervisors;
    std::string line;
    while (std::getline(lines, line)) {
        std::istringstream words(line);
        std::array<std::string, 4> a;
        if (!(words >> a[0] >> a[1] >> a[2] >> a[3])) fail("'" + line + "': four ip:port would be right");
        ends.push_back(open_end(a[0], a[1]));
        ends.push_back(open_end(a[2], a[3]));
        if (!(words >> a[0] >> a[1])) continue;
        supervisors.push_back(open_end(a[0], a[1]));
        for (End* end : {&supervisors.back(), &ends.back(), &ends[ends.size() - 2]}) end->mixed = true;
    }
    if (ends.empty()) fail("no calls on stdin");
    ends.insert(ends.end(), supervisors.begin(), supervisors.end());
    return ends;
}

void send_packet(End& end, std::uint32_t index, Nanoseconds due, bool counted, Totals& totals) {
    std::array<unsigned char, header_size + payload_size> packet;
    packet.fill(0xd5);  // A-law silence behind the stamp
    const std::uint16_t sequence = htons(static_cast<std::uint16_t>(end.packets));
    const std::uint32_t timestamp = htonl(static_cast<std::uint32_t>(end.packets * 160)), ssrc = htonl(0x1000 + index);
    packet[0] = 0x80;
    packet[1] = 8;
    std::memcpy(&packet[2], &sequence, 2);
    std::memcpy(&packet[4], &timestamp, 4);
    std::memcpy(&packet[8], &ssrc, 4);
    const Nanoseconds now = read_clock(CLOCK_MONOTONIC);
    const Stamp stamp{magic, index, counted ? end.sent : UINT64_MAX, now};
    std::memcpy(&packet[header_size], &stamp, sizeof stamp);
    if (send(end.socket, packet.data(), packet.size(), 0) < 0) ++totals.unsent;
    ++end.packets;
    if (!counted) return;
    ++end.sent;
    totals.sent += !end.mixed;
    totals.lateness.push_back(now - due);
}

/// The kernel stamps arrival in wall time; both clocks read now turn it into monotonic time. So a late wake-up of this
/// program does not count as delay.
Nanoseconds arrival(msghdr& message, Nanoseconds now, Nanoseconds wall) {
    for (cmsghdr* part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part))
        if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_TIMESTAMPNS) {
            timespec at{};
            std::memcpy(&at, CMSG_DATA(part), sizeof at);
            return now - (wall - (at.tv_sec * second + at.tv_nsec));
        }
    return now;
}

/// A packet of a mix: its place by RTP timestamp against its arrival.
void receive_mixed(End& end, const unsigned char* packet, Nanoseconds arrived) {
    std::uint32_t timestamp;
    std::memcpy(&end.last_sequence, packet + 2, 2);
    std::memcpy(&timestamp, packet + 4, 4);
    end.last_sequence = ntohs(end.last_sequence);
    timestamp = ntohl(timestamp);
    if (end.received++ == 0) {
        end.first_timestamp = timestamp;
        end.first_sequence = end.last_sequence;
    }
    const auto samples = static_cast<std::int32_t>(timestamp - end.first_timestamp);
    end.against_clock.push_back(arrived - samples * (second / 8000));
}

void count_mixed(std::vector<End>& ends, Totals& totals) {
    for (End& end : ends) {
        if (end.against_clock.empty()) continue;
        const auto earliest = *std::min_element(end.against_clock.begin(), end.against_clock.end());
        for (const auto place : end.against_clock) totals.mixed_late.push_back(place - earliest);
        totals.mixed += end.received;
        totals.mixed_lost += static_cast<std::uint16_t>(end.last_sequence - end.first_sequence) + 1u - end.received;
    }
}

void receive_packets(std::vector<End>& ends, std::uint32_t index, Totals& totals) {
    End& end = ends[index];
    std::array<unsigned char, 2048> buffer;
    std::array<char, 256> control;
    for (;;) {
        iovec part{buffer.data(), buffer.size()};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        const ssize_t size = recvmsg(end.socket, &message, 0);
        if (size < 0) {
            if (errno == ECONNREFUSED) continue;  // the far side is not there yet, or no longer
            return;
        }
        const Nanoseconds now = read_clock(CLOCK_MONOTONIC), wall = read_clock(CLOCK_REALTIME);
        if (end.mixed) {
            const Nanoseconds arrived = arrival(message, now, wall);
            if (arrived >= totals.counted_from && size > static_cast<ssize_t>(header_size))
                receive_mixed(end, buffer.data(), arrived);
            continue;
        }
        Stamp stamp{};
        if (static_cast<std::size_t>(size) >= header_size + sizeof stamp) std::memcpy(&stamp, &buffer[header_size], sizeof stamp);
        if (stamp.magic != magic) {
            ++totals.foreign;  // silence of the server, or a payload that did not pass bit for bit
        } else if (stamp.end != (index ^ 1)) {
            ++totals.misrouted;
        } else if (stamp.number != UINT64_MAX) {
            ++totals.received;
            totals.reordered += stamp.number < end.expected;
            end.expected = stamp.number + 1;
            totals.delay.push_back(arrival(message, now, wall) - stamp.sent);
        }
    }
}

/// The share of all packets, relayed and mixed, that came and were not more than `limit` late.
double share_within(const Totals& totals, Nanoseconds limit) {
    const auto timely = [limit](const std::vector<Nanoseconds>& values) {
        return std::count_if(values.begin(), values.end(), [limit](Nanoseconds value) { return value <= limit; });
    };
    const auto all = totals.sent + totals.mixed + totals.mixed_lost;
    return all ? static_cast<double>(timely(totals.delay) + timely(totals.mixed_late)) / static_cast<double>(all) : 0.0;
}

double quantile_ms(const std::vector<Nanoseconds>& sorted, double share) {
    if (sorted.empty()) return -1;
    const auto last = sorted.size() - 1;
    return static_cast<double>(sorted[static_cast<std::size_t>(share * static_cast<double>(last) + 0.5)]) / 1e6;
}

void print_quantiles(const char* name, std::vector<Nanoseconds> values) {
    std::sort(values.begin(), values.end());
    std::printf("\"%s\": {\"p50\": %.4f, \"p99\": %.4f, \"p999\": %.4f, \"max\": %.4f}", name, quantile_ms(values, 0.5),
                quantile_ms(values, 0.99), quantile_ms(values, 0.999), quantile_ms(values, 1));
}

void receive_waiting(std::vector<End>& ends, int poll, Totals& totals) {
    std::array<epoll_event, 256> ready;
    for (int found = 256; found == 256;) {
        found = epoll_wait(poll, ready.data(), ready.size(), 0);
        for (int i = 0; i < found; ++i) receive_packets(ends, ready[static_cast<std::size_t>(i)].data.u32, totals);
    }
}

void sleep_until(Nanoseconds moment) {
    const timespec at{moment / second, moment % second};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr);
}

void run(std::vector<End>& ends, double seconds, double warmup, Totals& totals) {
    const int poll = epoll_create1(0);
    for (std::uint32_t index = 0; index < ends.size(); ++index) {
        epoll_event wanted{};
        wanted.events = EPOLLIN;
        wanted.data.u32 = index;
        epoll_ctl(poll, EPOLL_CTL_ADD, ends[index].socket, &wanted);
    }
    const auto count = static_cast<Nanoseconds>(ends.size());
    const auto begin = read_clock(CLOCK_MONOTONIC);
    const auto counted_from = begin + static_cast<Nanoseconds>(warmup * second);
    const auto stop = counted_from + static_cast<Nanoseconds>(seconds * second), leave = stop + second / 2;
    totals.counted_from = counted_from;
    totals.lateness.reserve(static_cast<std::size_t>(seconds * 50 + 1) * ends.size());
    totals.delay.reserve(totals.lateness.capacity());
    Nanoseconds packet = 0, read_at = begin;
    for (Nanoseconds now = begin; now < leave; now = read_clock(CLOCK_MONOTONIC)) {
        Nanoseconds due = begin + packet * frame / count;
        for (; due <= now && due < stop; due = begin + ++packet * frame / count) {
            const auto index = static_cast<std::uint32_t>(packet % count);
            send_packet(ends[index], index, due, due >= counted_from, totals);
        }
        if (now >= read_at) {
            receive_waiting(ends, poll, totals);
            read_at = now + reading;
        }
        sleep_until(std::max(now + pause, due < stop ? std::min(due, read_at) : read_at));
    }
    close(poll);
}

}  // namespace

int main(int count, char** words) {
    double seconds = 10, warmup = 1;
    for (int i = 1; i + 1 < count; i += 2) {
        const std::string name = words[i];
        if (name == "--seconds") seconds = std::atof(words[i + 1]);
        else if (name == "--warmup") warmup = std::atof(words[i + 1]);
        else fail("unknown option " + name + "; --seconds and --warmup are known");
    }
    auto ends = open_calls(std::cin);
    const auto calls = static_cast<std::size_t>(
        std::count_if(ends.begin(), ends.end(), [](const End& end) { return !end.mixed; }) / 2 +
        std::count_if(ends.begin(), ends.end(), [](const End& end) { return end.mixed; }) / 3);
    Totals totals;
    run(ends, seconds, warmup, totals);
    count_mixed(ends, totals);
    const double loss = totals.sent ? 1.0 - static_cast<double>(totals.received) / static_cast<double>(totals.sent) : 0.0;
    std::printf("{\"calls\": %zu, \"seconds\": %g, \"sent\": %lu, \"received\": %lu, \"loss\": %.6f, \"unsent\": %lu, "
                "\"foreign\": %lu, \"misrouted\": %lu, \"reordered\": %lu, \"mixed\": %lu, \"mixed_lost\": %lu, ",
                calls, seconds, totals.sent, totals.received, loss, totals.unsent, totals.foreign,
                totals.misrouted, totals.reordered, totals.mixed, totals.mixed_lost);
    std::printf("\"within_5ms\": %.6f, ", share_within(totals, 5'000'000));
    print_quantiles("delay_ms", std::move(totals.delay));
    std::printf(", ");
    print_quantiles("lateness_ms", std::move(totals.lateness));
    std::printf(", ");
    print_quantiles("mixed_late_ms", std::move(totals.mixed_late));
    std::printf("}\n");
}
