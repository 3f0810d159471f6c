// What the kernel alone takes for a bridged call: a loop that receives each packet and sends it on, unread.
//
// Reads the same lines as rtpload.cpp and stands where the media engine would: with its socket, rounds and scheduling, and
// without its work. Says "ready", then measures its own processor time for --seconds from the first packet on, and
// prints {"packets": …, "seconds": …, "cpu": …}. No other server on the same kernel can cost less than this.

#include <sched.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <iostream>
#include <sstream>
#include <vector>

#include "common.hpp"

using namespace bench;

namespace {

constexpr Nanoseconds round_time = 150'000;

int open_socket(const std::string& local, const std::string& remote) {
    const auto here = parse_address(local), there = parse_address(remote);
    const int made = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (bind(made, reinterpret_cast<const sockaddr*>(&here), sizeof here) != 0 ||
        connect(made, reinterpret_cast<const sockaddr*>(&there), sizeof there) != 0) {
        fail(local + " to " + remote + ": " + strerror(errno));
    }
    return made;
}

/// Neighbours, 2k and 2k+1, are one call.
std::vector<int> open_calls(std::istream& lines) {
    std::vector<int> sockets;
    std::string line;
    while (std::getline(lines, line)) {
        std::istringstream words(line);
        std::string caller, to_caller, agent, to_agent;
        words >> caller >> to_caller >> agent >> to_agent;
        sockets.push_back(open_socket(to_caller, caller));
        sockets.push_back(open_socket(to_agent, agent));
    }
    return sockets;
}

}  // namespace

int main(int count, char** words) {
    const double seconds = count == 3 && std::string(words[1]) == "--seconds" ? std::atof(words[2]) : 10;
    const std::vector<int> sockets = open_calls(std::cin);
    const int poll = epoll_create1(0);
    for (std::uint32_t i = 0; i < sockets.size(); ++i) {
        epoll_event wanted{};
        wanted.events = EPOLLIN;
        wanted.data.u32 = i;
        epoll_ctl(poll, EPOLL_CTL_ADD, sockets[i], &wanted);
    }
    sched_param priority{};
    priority.sched_priority = 20;
    sched_setscheduler(0, SCHED_FIFO, &priority);  // where it is allowed
    std::puts("ready");
    std::fflush(stdout);
    std::array<epoll_event, 256> ready;
    std::array<char, 2048> packet;
    Nanoseconds began = 0, used = 0, woke = 0;
    std::uint64_t packets = 0;
    while (began == 0 || woke - began < static_cast<Nanoseconds>(seconds * second)) {
        if (began != 0 && read_clock(CLOCK_MONOTONIC) < woke + round_time) sleep_until(woke + round_time);
        const int found = epoll_wait(poll, ready.data(), ready.size(), began == 0 ? 30'000 : 1'000);
        if (found == 0) break;  // the load has ended, or never came
        woke = read_clock(CLOCK_MONOTONIC);
        if (began == 0) {
            began = woke;
            used = read_clock(CLOCK_PROCESS_CPUTIME_ID);
        }
        for (int i = 0; i < found; ++i) {
            const std::uint32_t leg = ready[static_cast<std::size_t>(i)].data.u32;
            const ssize_t size = recv(sockets[leg], packet.data(), packet.size(), MSG_DONTWAIT);
            if (size > 0 && send(sockets[leg ^ 1], packet.data(), static_cast<std::size_t>(size), MSG_DONTWAIT) > 0) ++packets;
        }
    }
    std::printf("{\"packets\": %lu, \"seconds\": %.3f, \"cpu\": %.6f}\n", packets, static_cast<double>(woke - began) / 1e9,
                static_cast<double>(read_clock(CLOCK_PROCESS_CPUTIME_ID) - used) / 1e9);
}
