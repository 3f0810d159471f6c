// Stands in for the recogniser's workers: reads away what the media engine's taps write, and counts it.
//
// Reads the numbers of inherited datagram sockets from its first line. Looks at all of them every 20 ms, so that its
// own cost stays small and back-pressure is real. Ends when stdin does, and prints {"pieces": …, "bytes": …}.

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

int main() {
    std::string line;
    std::getline(std::cin, line);
    std::istringstream words(line);
    std::vector<int> taps;
    for (int tap; words >> tap;) taps.push_back(tap);
    std::uint64_t pieces = 0, bytes = 0;
    char piece[4096];
    for (pollfd over{STDIN_FILENO, POLLIN, 0}; poll(&over, 1, 20) == 0;)
        for (const int tap : taps)
            for (ssize_t size; (size = recv(tap, piece, sizeof piece, MSG_DONTWAIT)) > 0; ++pieces)
                bytes += static_cast<std::uint64_t>(size);
    std::printf("{\"pieces\": %lu, \"bytes\": %lu}\n", pieces, bytes);
}
