#include "sockets.hpp"

#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/ip.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cstring>
#include <random>
#include <stdexcept>
#include <system_error>

namespace media {

namespace {

Descriptor checked(int number, const char* what) {
    if (number < 0) throw std::system_error(errno, std::system_category(), what);
    return Descriptor(number);
}

void set(const Descriptor& socket, int level, int option, int value) {
    setsockopt(socket.get(), level, option, &value, sizeof value);
}

// Nothing when the port is taken.
Descriptor bind_udp(Address local, int port, bool shared = false) {
    const RawAddress name({local.ip, static_cast<std::uint16_t>(port)});
    const int family = name.any.sa_family;
    Descriptor made = checked(socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "UDP socket");
    if (family == AF_INET6) set(made, IPPROTO_IPV6, IPV6_V6ONLY, 1);  // the same port of IPv4 is another leg's
    if (shared) set(made, SOL_SOCKET, SO_REUSEPORT, 1);
    if (bind(made.get(), &name.any, name.size()) == 0) return made;
    if (errno == EADDRINUSE || errno == EACCES) return {};
    throw std::system_error(errno, std::system_category(), "RTP port");
}

// Of the sockets that share a port and are not connected, the one that joined as number `index` gets everything. By
// itself the kernel gives each source to one of them by a hash, and nobody could tell in which order packets came that
// wait in several. A kernel without this filter sorts by the hash: that costs their order and nothing else.
void receive_alone(const Descriptor& socket, std::uint32_t index) {
    sock_filter always{BPF_RET | BPF_K, 0, 0, index};
    const sock_fprog program{1, &always};
    setsockopt(socket.get(), SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program);
}

}  // namespace

RawAddress::RawAddress(Address address) : RawAddress() {
    const auto& octets = address.ip.octets;
    if (address.ip.is_v4()) {
        v4.sin_family = AF_INET;
        v4.sin_port = htons(address.port);
        std::memcpy(&v4.sin_addr, octets.data() + 12, sizeof v4.sin_addr);
    } else {
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(address.port);
        std::memcpy(&v6.sin6_addr, octets.data(), sizeof v6.sin6_addr);
    }
}

Address RawAddress::address() const {
    Address found{Ip::v4({}), ntohs(v4.sin_port)};  // the port stands at the same place in both
    if (any.sa_family == AF_INET6) std::memcpy(found.ip.octets.data(), &v6.sin6_addr, sizeof v6.sin6_addr);
    else std::memcpy(found.ip.octets.data() + 12, &v4.sin_addr, sizeof v4.sin_addr);
    return found;
}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
}

Descriptor::~Descriptor() {
    if (number_ >= 0) ::close(number_);
}

PortPair open_ports(Address local, int low, int high) {
    const int first = low + low % 2, pairs = (high - first + 1) / 2;
    // Not from a generator: whoever sees a few ports could compute its state, and all ports that follow. Kept, because
    // making one asks the processor its features: a trap in a VM.
    static thread_local std::random_device random;
    const int start = pairs > 0 ? static_cast<int>(random() % static_cast<unsigned>(pairs)) : 0;
    for (int i = 0; i < pairs; ++i) {
        const int port = first + 2 * ((start + i) % pairs);
        Descriptor rtp = bind_udp(local, port);
        if (rtp.get() < 0) continue;
        Descriptor rtcp = bind_udp(local, port + 1);
        if (rtcp.get() < 0) continue;
        // Only once the port is ours alone may a second socket of ours share it.
        set(rtp, SOL_SOCKET, SO_REUSEPORT, 1);
        Descriptor others = bind_udp(local, port, true);
        if (others.get() < 0) continue;
        receive_alone(others, 1);
        // RFC 4594 section 4.1; IPv6 calls the same octet its traffic class (RFC 2474 section 3).
        if (local.ip.is_v4()) set(rtp, IPPROTO_IP, IP_TOS, IPTOS_DSCP_EF);
        else set(rtp, IPPROTO_IPV6, IPV6_TCLASS, IPTOS_DSCP_EF);
        set(rtcp, SOL_SOCKET, SO_RCVBUF, 4096);  // reports come seldom, so few need to wait
        return {std::move(rtp), std::move(others), std::move(rtcp), port};
    }
    throw std::system_error(EADDRINUSE, std::system_category(), "RTP port range used up");
}

Descriptor open_eventfd() { return checked(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), "eventfd"); }

Descriptor open_timer() { return checked(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC), "timerfd"); }

Descriptor open_epoll() { return checked(epoll_create1(EPOLL_CLOEXEC), "epoll"); }

Descriptor create_file(const char* path) {
    return checked(open(path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0640), path);
}

Descriptor duplicate_datagram_socket(int socket, int send_buffer) {
    int type = 0;
    socklen_t size = sizeof type;
    if (getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &size) != 0)
        throw std::system_error(errno, std::system_category(), "tap");
    if (type != SOCK_DGRAM && type != SOCK_SEQPACKET)
        throw std::invalid_argument("a tap needs a datagram socket (SOCK_DGRAM or SOCK_SEQPACKET), connected");
    Descriptor copy = checked(fcntl(socket, F_DUPFD_CLOEXEC, 0), "tap");
    set(copy, SOL_SOCKET, SO_SNDBUF, send_buffer);
    return copy;
}

bool connect_socket(int socket, Address to) {
    const RawAddress there(to);
    return connect(socket, &there.any, there.size()) == 0;
}

void disconnect_socket(int socket) {
    const sockaddr nowhere{AF_UNSPEC, {}};
    connect(socket, &nowhere, sizeof nowhere);
}

void send_datagram(int socket, rtp::Bytes bytes, Address to) {
    if (to.port == 0) {
        const auto send = [&] { return ::send(socket, bytes.data(), bytes.size(), MSG_DONTWAIT); };
        // That an earlier packet was refused at the far end is said here, in place of sending this one.
        if (send() < 0 && errno == ECONNREFUSED) send();
        return;
    }
    const RawAddress there(to);
    sendto(socket, bytes.data(), bytes.size(), MSG_DONTWAIT, &there.any, there.size());
}

void signal(int eventfd) {
    const std::uint64_t one = 1;
    // Only a full counter (2^64 - 2 signals) could refuse this, and then the reader is awake anyway.
    if (write(eventfd, &one, sizeof one) < 0) return;
}

void clear(int eventfd) {
    std::uint64_t count;
    if (read(eventfd, &count, sizeof count) < 0) return;  // nothing was waiting
}

}  // namespace media
