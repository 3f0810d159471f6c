// How a media thread gets its packets.
#include <poll.h>

#include "expect.hpp"
#include "media_thread.hpp"

namespace media {

namespace {

// In epoll a leg's address stands for its RTP socket, the next ones for its other sockets.
enum Role : std::uintptr_t { audio, others, reports, roles };

void* tag(Leg& leg, Role role) { return reinterpret_cast<char*>(&leg) + role; }
Role role_of(void* tag) { return static_cast<Role>(reinterpret_cast<std::uintptr_t>(tag) % alignof(Leg)); }
Leg& leg_of(void* tag) { return *reinterpret_cast<Leg*>(static_cast<char*>(tag) - role_of(tag)); }
static_assert(roles <= alignof(Leg));

int socket_of(void* tag) {
    const LegSockets& all = leg_of(tag).sockets;
    return role_of(tag) == audio ? all.rtp : role_of(tag) == others ? all.others : all.rtcp;
}

// Those of the sockets that another packet waits in; they are moved to the front.
std::span<void*> have_more(std::span<void*> tags) {
    std::array<pollfd, expected_together> sockets;
    std::transform(tags.begin(), tags.end(), sockets.begin(), [](void* tag) { return pollfd{socket_of(tag), POLLIN, 0}; });
    if (poll(sockets.data(), tags.size(), 0) <= 0) return {};
    std::size_t count = 0;
    for (std::size_t i = 0; i < tags.size(); ++i)
        if (sockets[i].revents != 0) tags[count++] = tags[i];
    return tags.first(count);
}

}  // namespace

// What comes is told once, and what waits already at once. Were it told for as long as it waits, the kernel would look at
// each socket again a round later, when it is empty and gone from the caches.
void MediaThread::watch(int descriptor, void* tag, int how) {
    epoll_event interest{};
    interest.events = EPOLLIN | EPOLLET;
    interest.data.ptr = tag;
    epoll_ctl(epoll_.get(), how, descriptor, &interest);
}

void MediaThread::watch(Leg& leg) {
    watch(leg.sockets.rtp, tag(leg, audio));
    watch(leg.sockets.others, tag(leg, others));
    watch(leg.sockets.rtcp, tag(leg, reports));
}

// By hand also where the sockets are closed: the entries would outlive the descriptors while a child process between
// fork and exec still holds a copy.
void MediaThread::unwatch(Leg& leg) {
    for (void*& tag : std::span(ready_).first(ready_count_))
        if (tag != nullptr && &leg_of(tag) == &leg) tag = nullptr;
    for (const int socket : {leg.sockets.rtp, leg.sockets.others, leg.sockets.rtcp})
        epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, socket, nullptr);
}

void MediaThread::wait() {
    std::array<epoll_event, most_ready> told;
    const int count = epoll_wait(epoll_.get(), told.data(), told.size(), -1);
    for (int i = 0; i < count; ++i)
        if (void* const tag = told[static_cast<std::size_t>(i)].data.ptr) ready_[ready_count_++] = tag;
}

// What many packets touch is waited for together, so they are taken many at a time. Of each socket a few: when we are late
// we catch up while all that belongs to a leg is near, and a flood gets no more of our time than a few calls.
void MediaThread::serve() {
    constexpr int few = 4;
    for (std::span<void*> left(ready_.data(), ready_count_); !left.empty();) {
        auto tags = left.first(std::min(left.size(), expected_together));
        left = left.subspan(tags.size());
        tags = {tags.begin(), std::remove(tags.begin(), tags.end(), nullptr)};
        std::array<Leg*, expected_together> legs;
        std::transform(tags.begin(), tags.end(), legs.begin(), [](void* tag) { return &leg_of(tag); });
        expect(std::span(legs).first(tags.size()));
        for (int i = 0; i < few && !tags.empty(); ++i) {
            for (void* const tag : tags) receive(tag);
            tags = have_more(tags);
        }
        for (void* const tag : tags) watch(socket_of(tag), tag, EPOLL_CTL_MOD);  // is told again
    }
    ready_count_ = 0;
}

std::optional<Address> MediaThread::take_datagram(int socket) {
    RawAddress from;
    socklen_t from_size = sizeof from;
    const ssize_t size = recvfrom(socket, datagram_.data(), datagram_.size(), MSG_DONTWAIT, &from.any, &from_size);
    if (size < 0) return std::nullopt;
    datagram_size_ = static_cast<std::size_t>(size);
    return from.address();
}

void MediaThread::receive(void* it) {
    Leg& leg = leg_of(it);
    switch (role_of(it)) {
        case audio:
            receive_audio(leg, leg.sockets.rtp);
            break;
        case others:
            receive_audio(leg, leg.sockets.others);
            break;
        default:
            if (const auto from = take_datagram(leg.sockets.rtcp))
                switch_.report(leg, {datagram_.data(), datagram_size_}, *from, woke_);
            return;
    }
    if (!leg.connected && leg.origin.settled(woke_)) settle(leg);
}

bool MediaThread::receive_audio(Leg& leg, int socket) {
    const auto from = take_datagram(socket);
    if (!from) return false;
    receiving_ = true;
    switch_.packet(leg, {datagram_.data(), datagram_size_}, *from, woke_);
    receiving_ = false;
    return true;
}

// Until now the far side's packets came to the second socket, with everybody's; from now on they come to the first. What
// waits in the second is older.
void MediaThread::settle(Leg& leg) {
    constexpr int few = 64;  // whoever floods us is not waited for
    leg.connected = connect_socket(leg.sockets.rtp, leg.origin.remote());
    for (int i = 0; i < few && receive_audio(leg, leg.sockets.others); ++i) {}
}

}  // namespace media
