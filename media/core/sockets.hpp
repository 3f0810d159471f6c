// The few system calls that open descriptors for the media engine.
#pragma once
#include <netinet/in.h>
#include <sys/socket.h>

#include <utility>

#include "leg.hpp"

namespace media {

// Owns one descriptor.
class Descriptor {
  public:
    Descriptor() = default;
    explicit Descriptor(int number) : number_(number) {}
    Descriptor(Descriptor&& other) noexcept : number_(other.release()) {}
    Descriptor& operator=(Descriptor&& other) noexcept;
    ~Descriptor();

    int get() const { return number_; }
    int release() { return std::exchange(number_, -1); }

  private:
    int number_ = -1;
};

struct PortPair {
    Descriptor rtp, others, rtcp;  // `others` has the port of `rtp`, and gets all its packets until that is connected
    int port;
};

// A transport address as the kernel takes and gives it.
union RawAddress {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;

    RawAddress() : v6{} {}
    explicit RawAddress(Address address);
    Address address() const;
    socklen_t size() const { return any.sa_family == AF_INET6 ? sizeof v6 : sizeof v4; }
};

// Bind an even RTP port and the odd RTCP port above it, at random within the range (RFC 3550 section 11).
// Throws std::system_error when no pair is free or the address is not ours.
PortPair open_ports(Address local, int low, int high);

Descriptor open_eventfd();
Descriptor open_timer();
Descriptor open_epoll();
Descriptor create_file(const char* path);
// `send_buffer`: bytes that wait in it at most, as SO_SNDBUF counts them. Non-blocking sends are asked for at each send.
Descriptor duplicate_datagram_socket(int socket, int send_buffer);

// From now on this socket gets what comes from there, and nothing else; what else comes to its port, also to another of
// our own addresses, is for the socket beside it. The kernel looks up the way only once, which is a third of what sending
// costs.
bool connect_socket(int socket, Address to);
void disconnect_socket(int socket);
// No address: to where the socket is connected. What does not go out is lost, as it may be on any network.
void send_datagram(int socket, rtp::Bytes bytes, Address to);

void signal(int eventfd);
void clear(int eventfd);

}  // namespace media
