// Paced RTP load with a clock in its payload: how much delay does what lies between two sockets add?
//
// Reads one bridged call a line from stdin:  CALLER_LOCAL CALLER_REMOTE AGENT_LOCAL AGENT_REMOTE  (each ip:port).
// A line with SUPERVISOR_LOCAL SUPERVISOR_REMOTE behind is a mix of three: a stamp does not survive that, so what comes
// out is held against its own RTP clock: how much later than the earliest packet of its stream did it come?
// Both ends send 20 ms of G.711 (160 bytes) at 50 packets a second; whatever the caller's end sends must come out at
// the agent's end, and the other way round. The payload carries the sender's CLOCK_MONOTONIC time, so it must pass
// bit for bit (same codec on both legs, no mixing). Prints one JSON object. Usage: rtpload [--seconds S] [--warmup S]
//
// Many ends may have the same local address, as calls behind one gateway have: they share its socket. On one machine
// whoever sends pays for what the receiving side's kernel does, and hundreds of sockets that each get a packet in 20 ms
// are memory that has gone cold; a far end that is another machine costs the sender nothing.
//
// What is due is sent in rounds of 100 us, so that one core can play a thousand calls and more. All ends have the same
// period, so the sending order is a circle: packet i leaves end i mod N at start + i * step.

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iostream>
#include <map>
#include <sstream>
#include <vector>

#include "common.hpp"

using namespace bench;

namespace {

constexpr Nanoseconds frame = 20'000'000;
/// The kernel stamps what arrives, so it may wait; and who sends to us need not wake us, as with a network in between.
constexpr Nanoseconds pause = 100'000, reading = 2'000'000;
constexpr std::uint32_t magic = 0x484f544c;
constexpr std::size_t header_size = 12, payload_size = 160, together = 32;

/// What every payload begins with. Host byte order: the same machine reads it back.
struct Stamp {
    std::uint32_t magic;
    std::uint32_t end;  ///< which end sent it
    std::uint64_t number;
    Nanoseconds sent;
};

/// One side of one call.
struct End {
    int socket = -1;  ///< perhaps that of others too
    sockaddr_in remote{};
    std::uint64_t packets = 0, sent = 0, received = 0, expected = 0;  ///< packets: with those that are not counted
    bool mixed = false;
    std::uint32_t first_timestamp = 0;  ///< of what a mixed end hears
    std::uint16_t first_sequence = 0, last_sequence = 0;
    std::vector<Nanoseconds> against_clock;

    bool hears(int here, const sockaddr_in& from) const {
        return socket == here && remote.sin_port == from.sin_port && remote.sin_addr.s_addr == from.sin_addr.s_addr;
    }
};

struct Totals {
    std::uint64_t sent = 0, received = 0, foreign = 0, misrouted = 0, reordered = 0, unsent = 0;
    std::uint64_t mixed = 0, mixed_lost = 0;
    Nanoseconds counted_from = 0;
    std::vector<Nanoseconds> delay, lateness, mixed_late;
};

/// The ends of all calls: even ones are callers, odd ones agents, 2k and 2k+1 are one call; supervisors stand behind.
class Ends {
  public:
    explicit Ends(std::istream& lines) {
        std::vector<End> supervisors;
        for (std::string line; std::getline(lines, line);) {
            std::istringstream words(line);
            std::array<std::string, 4> a;
            if (!(words >> a[0] >> a[1] >> a[2] >> a[3])) fail("'" + line + "': four ip:port would be right");
            all.push_back(open(a[0], a[1]));
            all.push_back(open(a[2], a[3]));
            if (!(words >> a[0] >> a[1])) continue;
            supervisors.push_back(open(a[0], a[1]));
            for (End* end : {&supervisors.back(), &all.back(), &all[all.size() - 2]}) end->mixed = true;
        }
        if (all.empty()) fail("no calls on stdin");
        all.insert(all.end(), supervisors.begin(), supervisors.end());
        for (End& end : all)
            if (end.mixed) mixed_[{end.socket, end.remote.sin_addr.s_addr, end.remote.sin_port}] = &end;
    }

    std::vector<int> sockets() const {
        std::vector<int> found;
        for (const auto& [local, socket] : sockets_) found.push_back(socket);
        return found;
    }

    End* mixed_at(int socket, const sockaddr_in& from) {
        const auto found = mixed_.find({socket, from.sin_addr.s_addr, from.sin_port});
        return found == mixed_.end() ? nullptr : found->second;
    }

    std::size_t calls() const {
        const auto mixed = static_cast<std::size_t>(std::ranges::count_if(all, &End::mixed));
        return (all.size() - mixed) / 2 + mixed / 3;
    }

    std::vector<End> all;

  private:
    End open(const std::string& local, const std::string& remote) {
        End end;
        end.remote = parse_address(remote);
        const auto [place, fresh] = sockets_.try_emplace(local, -1);
        if (fresh) place->second = bound(local);
        end.socket = place->second;
        return end;
    }

    static int bound(const std::string& local) {
        const auto here = parse_address(local);
        const int made = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), on = 1, room = 4 << 20;
        setsockopt(made, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
        setsockopt(made, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
        if (bind(made, reinterpret_cast<const sockaddr*>(&here), sizeof here) != 0)
            fail("cannot bind " + local + ": " + strerror(errno));
        return made;
    }

    std::map<std::string, int> sockets_;
    std::map<std::tuple<int, std::uint32_t, std::uint16_t>, End*> mixed_;
};

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
    if (sendto(end.socket, packet.data(), packet.size(), 0, reinterpret_cast<const sockaddr*>(&end.remote), sizeof end.remote) < 0)
        ++totals.unsent;
    ++end.packets;
    if (!counted) return;
    ++end.sent;
    totals.sent += !end.mixed;
    totals.lateness.push_back(now - due);
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

/// What came to one socket, many packets a system call.
class Ear {
  public:
    Ear(Ends& ends, Totals& totals) : ends_(ends), totals_(totals) {}

    void receive(int socket) {
        int count;
        do {
            for (std::size_t i = 0; i < together; ++i) {
                parts_[i] = {packets_[i].data(), packets_[i].size()};
                messages_[i].msg_hdr = {&from_[i], sizeof from_[i], &parts_[i], 1, control_[i].data(), control_[i].size(), 0};
            }
            count = recvmmsg(socket, messages_.data(), together, 0, nullptr);
            if (count < 0) return;
            now_ = read_clock(CLOCK_MONOTONIC), wall_ = read_clock(CLOCK_REALTIME);
            for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) take(socket, i);
        } while (count == together);
    }

  private:
    /// The kernel stamps arrival in wall time; both clocks read now turn it into monotonic time. So a late wake-up of
    /// this program does not count as delay.
    Nanoseconds arrival(msghdr& message) const {
        for (cmsghdr* part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part))
            if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_TIMESTAMPNS) {
                timespec at{};
                std::memcpy(&at, CMSG_DATA(part), sizeof at);
                return now_ - (wall_ - (at.tv_sec * second + at.tv_nsec));
            }
        return now_;
    }

    void take(int socket, std::size_t which) {
        const std::size_t size = messages_[which].msg_len;
        const Nanoseconds arrived = arrival(messages_[which].msg_hdr);
        Stamp stamp{};
        if (size >= header_size + sizeof stamp) std::memcpy(&stamp, &packets_[which][header_size], sizeof stamp);
        if (End* const mixed = ends_.mixed_at(socket, from_[which])) {
            if (arrived >= totals_.counted_from && size > header_size) receive_mixed(*mixed, packets_[which].data(), arrived);
        } else if (stamp.magic == magic) {
            take_stamped(socket, from_[which], stamp, arrived);
        } else {
            ++totals_.foreign;  // silence of the server, or a payload that did not pass bit for bit
        }
    }

    void take_stamped(int socket, const sockaddr_in& from, const Stamp& stamp, Nanoseconds arrived) {
        if ((stamp.end ^ 1) >= ends_.all.size() || !ends_.all[stamp.end ^ 1].hears(socket, from)) {
            ++totals_.misrouted;
        } else if (stamp.number != UINT64_MAX) {
            End& end = ends_.all[stamp.end ^ 1];
            ++totals_.received;
            totals_.reordered += stamp.number < end.expected;
            end.expected = stamp.number + 1;
            totals_.delay.push_back(arrived - stamp.sent);
        }
    }

    Ends& ends_;
    Totals& totals_;
    Nanoseconds now_ = 0, wall_ = 0;
    std::array<mmsghdr, together> messages_{};
    std::array<iovec, together> parts_{};
    std::array<sockaddr_in, together> from_{};
    std::array<std::array<char, 64>, together> control_{};
    std::array<std::array<unsigned char, 512>, together> packets_;
};

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

void run(Ends& ends, double seconds, double warmup, Totals& totals) {
    const std::vector<int> sockets = ends.sockets();
    Ear ear(ends, totals);
    const auto count = static_cast<Nanoseconds>(ends.all.size());
    const auto begin = read_clock(CLOCK_MONOTONIC);
    const auto counted_from = begin + static_cast<Nanoseconds>(warmup * second);
    const auto stop = counted_from + static_cast<Nanoseconds>(seconds * second), leave = stop + second / 2;
    totals.counted_from = counted_from;
    totals.lateness.reserve(static_cast<std::size_t>(seconds * 50 + 1) * ends.all.size());
    totals.delay.reserve(totals.lateness.capacity());
    Nanoseconds packet = 0, read_at = begin;
    for (Nanoseconds now = begin; now < leave; now = read_clock(CLOCK_MONOTONIC)) {
        Nanoseconds due = begin + packet * frame / count;
        for (; due <= now && due < stop; due = begin + ++packet * frame / count) {
            const auto index = static_cast<std::uint32_t>(packet % count);
            send_packet(ends.all[index], index, due, due >= counted_from, totals);
        }
        if (now >= read_at) {
            for (const int socket : sockets) ear.receive(socket);
            read_at = now + reading;
        }
        sleep_until(std::max(now + pause, due < stop ? std::min(due, read_at) : read_at));
    }
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
    Ends ends(std::cin);
    Totals totals;
    run(ends, seconds, warmup, totals);
    count_mixed(ends.all, totals);
    const double loss = totals.sent ? 1.0 - static_cast<double>(totals.received) / static_cast<double>(totals.sent) : 0.0;
    std::printf("{\"calls\": %zu, \"seconds\": %g, \"sent\": %lu, \"received\": %lu, \"loss\": %.6f, \"unsent\": %lu, "
                "\"foreign\": %lu, \"misrouted\": %lu, \"reordered\": %lu, \"mixed\": %lu, \"mixed_lost\": %lu, ",
                ends.calls(), seconds, totals.sent, totals.received, loss, totals.unsent, totals.foreign,
                totals.misrouted, totals.reordered, totals.mixed, totals.mixed_lost);
    std::printf("\"within_5ms\": %.6f, ", share_within(totals, 5'000'000));
    print_quantiles("delay_ms", std::move(totals.delay));
    std::printf(", ");
    print_quantiles("lateness_ms", std::move(totals.lateness));
    std::printf(", ");
    print_quantiles("mixed_late_ms", std::move(totals.mixed_late));
    std::printf("}\n");
}
