// What the load's programs share: the clock, addresses as text, and how they complain.
#pragma once
#include <arpa/inet.h>
#include <time.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace bench {

using Nanoseconds = std::int64_t;
inline constexpr Nanoseconds second = 1'000'000'000;

inline Nanoseconds read_clock(clockid_t clock) {
    timespec now{};
    clock_gettime(clock, &now);
    return now.tv_sec * second + now.tv_nsec;
}

inline void sleep_until(Nanoseconds moment) {
    const timespec at{moment / second, moment % second};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr);
}

[[noreturn]] inline void fail(const std::string& problem) {
    std::fprintf(stderr, "%s: %s\n", program_invocation_short_name, problem.c_str());
    std::exit(2);
}

inline sockaddr_in parse_address(const std::string& text) {
    const auto colon = text.find(':');
    sockaddr_in address{};
    address.sin_family = AF_INET;
    if (colon == std::string::npos || inet_pton(AF_INET, text.substr(0, colon).c_str(), &address.sin_addr) != 1)
        fail("'" + text + "' is no address; ip:port would be right");
    address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(text.c_str() + colon + 1)));
    return address;
}

}  // namespace bench
