#include "engine.hpp"

#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <bit>
#include <random>
#include <stdexcept>

namespace media {

namespace {

constexpr int fifo_priority = 20;
constexpr Nanos round_time = 150'000;

Nanos monotonic() {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return Nanos{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// The odd address inside a leg stands for its RTCP socket in epoll, the leg's own for its RTP socket.
void* report_tag(Leg& leg) { return reinterpret_cast<char*>(&leg) + 1; }

Leg* leg_of_report_tag(void* tag) {
    return reinterpret_cast<std::uintptr_t>(tag) % 2 == 0 ? nullptr : reinterpret_cast<Leg*>(static_cast<char*>(tag) - 1);
}

void watch(int epoll, int descriptor, void* tag) {
    epoll_event interest{};
    interest.events = EPOLLIN;
    interest.data.ptr = tag;
    epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &interest);
}

}  // namespace

void Latency::add(Nanos took) {
    const auto bucket = std::bit_width(static_cast<std::uint64_t>(took / 1000));
    counts[static_cast<std::size_t>(std::min<int>(static_cast<int>(bucket), buckets - 1))].add(1);
    if (took > max_ns.get()) max_ns.set(took);
}

Engine::Engine(EngineConfig config)
    : config_(config), switch_(*this, static_cast<Nanos>(config.silence_after * 1e9)), events_waiting_(open_eventfd()),
      wake_(open_eventfd()), timer_(open_timer()), epoll_(open_epoll()),
      writer_(
          [this](const Event& told) {
              Event* place = writer_events_.back();
              if (place == nullptr) return events_lost_.add(1);
              *place = told;
              writer_events_.push();
              signal(events_waiting_.get());
          },
          garbage_) {
    watch(epoll_.get(), wake_.get(), &wake_);
    watch(epoll_.get(), timer_.get(), &timer_);
    switch_.advance(monotonic());
}

// ---- the control side

Nanos Engine::now() const { return monotonic(); }

void Engine::start() {
    if (closed_) throw std::logic_error("the media engine has been closed");
    if (thread_.joinable()) throw std::logic_error("the media engine runs already");
    writer_.start();
    thread_ = std::thread(&Engine::run, this);
    running_.wait(false);
}

void Engine::close() {
    if (std::exchange(closed_, true)) return;
    stopping_.store(true);
    signal(wake_.get());
    if (thread_.joinable()) thread_.join();
    close_all();  // this thread is the media thread from here on
    run_commands();
    writer_.stop();
    garbage_.discard_all();
    for (Descriptor* mine : {&epoll_, &timer_, &wake_, &events_waiting_}) *mine = Descriptor();
}

void Engine::submit(std::unique_ptr<Command> command) {
    if (commands_.post(command.release())) signal(wake_.get());
    garbage_.discard_all();
}

std::pair<int, int> Engine::open_leg(const std::string& ip) {
    if (closed_) throw std::logic_error("the media engine has been closed");
    PortPair ports = open_ports(parse_address(ip, 0), config_.port_low, config_.port_high);
    std::random_device random;
    const Beginning with{random(), static_cast<std::uint16_t>(random()), random()};
    Leg& leg = add_leg(with, ports.rtp.release(), ports.rtcp.release());
    watch(epoll_.get(), leg.rtp_socket, &leg);
    watch(epoll_.get(), leg.rtcp_socket, report_tag(leg));
    return {leg.id, ports.port};
}

std::pair<int, int> Engine::open_recorder(const std::string& path, bool mask_tones) {
    if (closed_) throw std::logic_error("the media engine has been closed");
    Recorder& recorder = add_recorder(mask_tones, create_recording(path.c_str()).release());
    writer_.add(recorder);
    return {recorder.left.id, recorder.right.id};
}

int Engine::open_tap(int socket, int piece_ms) {
    if (closed_) throw std::logic_error("the media engine has been closed");
    check_piece(piece_ms);
    return add_tap(piece_ms, duplicate_datagram_socket(socket).release());
}

std::vector<Event> Engine::drain() {
    if (!closed_) clear(events_waiting_.get());
    garbage_.discard_all();
    std::vector<Event> taken;
    for (Events* ring : {&media_events_, &writer_events_})
        for (; const Event* waiting = ring->front(); ring->pop()) taken.push_back(*waiting);
    return taken;
}

// ---- the media thread

const char* Engine::ask_for_scheduling() {
    if (!config_.realtime) return "normal";
    sched_param wanted{};
    wanted.sched_priority = fifo_priority;
    if (pthread_setschedparam(pthread_self(), SCHED_FIFO, &wanted) == 0) return "fifo";
    const auto self = static_cast<id_t>(syscall(SYS_gettid));
    return setpriority(PRIO_PROCESS, self, -15) == 0 ? "nice" : "normal";
}

void Engine::run() {
    pthread_setname_np(pthread_self(), "media");
    prctl(PR_SET_TIMERSLACK, 1);  // nanoseconds
    scheduling_.store(ask_for_scheduling());
    running_.store(true);
    running_.notify_all();
    std::array<epoll_event, 256> ready;
    while (!stopping_.load(std::memory_order_relaxed)) {
        pause();
        int count = epoll_wait(epoll_.get(), ready.data(), ready.size(), -1);
        woke_before_ = std::exchange(woke_, monotonic());
        if (commands_.waiting()) {  // what was asked for before a packet came holds for that packet
            switch_.advance(woke_);
            run_commands();
            count = epoll_wait(epoll_.get(), ready.data(), ready.size(), 0);  // some of those legs may be gone
        }
        bool asked = false;
        const auto leg_of = [&](int i) -> Leg* {
            void* tag = i < count ? ready[static_cast<std::size_t>(i)].data.ptr : nullptr;
            return tag == &wake_ || tag == &timer_ || leg_of_report_tag(tag) ? nullptr : static_cast<Leg*>(tag);
        };
        for (int i = 0; i < count; ++i) {
            if (const Leg* next = leg_of(i + 1)) next->prefetch();
            void* tag = ready[static_cast<std::size_t>(i)].data.ptr;
            if (Leg* leg = leg_of(i)) receive(*leg);
            else if (Leg* reported = leg_of_report_tag(tag)) receive_report(*reported);
            else if (tag == &wake_) asked = true;
        }
        switch_.advance(monotonic());
        if (asked || commands_.waiting()) run_commands();
        arm_timer();
        if (std::exchange(event_posted_, false)) signal(events_waiting_.get());
    }
}

// Packets of many calls come one by one, and waking up for each costs more than passing it on. So when they come close
// together, rounds begin this far apart; whoever comes alone is served at once.
void Engine::pause() {
    const Nanos next = woke_ + round_time;
    if (woke_ - woke_before_ > 2 * round_time || monotonic() >= next) return;
    const timespec until{next / 1'000'000'000, next % 1'000'000'000};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
}

// One packet, for there seldom are two; when there are, epoll says so again.
std::optional<Address> Engine::take_datagram(int socket) {
    sockaddr_in from;
    socklen_t from_size = sizeof from;
    const ssize_t size = recvfrom(socket, datagram_.data(), datagram_.size(), MSG_DONTWAIT,
                                  reinterpret_cast<sockaddr*>(&from), &from_size);
    if (size < 0) return std::nullopt;
    datagram_size_ = static_cast<std::size_t>(size);
    return Address{ntohl(from.sin_addr.s_addr), ntohs(from.sin_port)};
}

void Engine::receive(Leg& leg) {
    const auto from = take_datagram(leg.rtp_socket);
    if (!from) return;
    receiving_ = true;
    switch_.packet(leg, {datagram_.data(), datagram_size_}, *from, woke_);
    receiving_ = false;
    if (!leg.connected && leg.origin.settled(woke_)) leg.connected = connect_socket(leg.rtp_socket, leg.origin.remote());
}

void Engine::receive_report(Leg& leg) {
    if (const auto from = take_datagram(leg.rtcp_socket))
        switch_.report(leg, {datagram_.data(), datagram_size_}, *from, woke_);
}

void Engine::run_commands() {
    clear(wake_.get());  // before looking, or what is posted in between would be slept over
    for (Parcel* parcel = commands_.take_all(); parcel != nullptr;) {
        Parcel* next = parcel->next_parcel;
        static_cast<Command*>(parcel)->run(switch_);
        garbage_.post(parcel);
        parcel = next;
    }
}

void Engine::arm_timer() {
    const Nanos deadline = switch_.deadline().value_or(0);
    if (deadline == armed_) return;
    armed_ = deadline;
    itimerspec at{};
    at.it_value = {deadline / 1'000'000'000, deadline % 1'000'000'000};
    timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &at, nullptr);
}

void Engine::send(Leg& leg, rtp::Bytes packet) {
    send_datagram(leg.rtp_socket, packet, leg.connected ? Address{} : leg.origin.remote());
    if (receiving_) latency_.add(monotonic() - woke_);
}

void Engine::send_report(Leg& leg, rtp::Bytes packet) {
    if (leg.reports.muxed) return send_datagram(leg.rtp_socket, packet, leg.connected ? Address{} : leg.origin.remote());
    send_datagram(leg.rtcp_socket, packet, leg.reports.destination(leg.origin.remote()));
}

void Engine::tap(Tap& tap, std::span<const Sample> piece) {
    if (::send(tap.socket, piece.data(), piece.size_bytes(), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) tap.dropped.add(1);
}

void Engine::recorded_all(Recorder& recorder) {
    recorder.finished.store(true, std::memory_order_release);
    writer_.hurry();
}

void Engine::event(const Event& event) {
    Event* place = media_events_.back();
    if (place == nullptr) return events_lost_.add(1);
    *place = event;
    media_events_.push();
    event_posted_ = true;
}

void Engine::unsettled(Leg& leg) {
    if (std::exchange(leg.connected, false)) disconnect_socket(leg.rtp_socket);
}

// Closing here, and not when the control side gets round to it, frees the ports at once. Epoll entries are removed by
// hand: they would outlive the descriptor while a child process between fork and exec still holds a copy.
void Engine::closed_leg(Leg& leg) {
    for (const int socket : {leg.rtp_socket, leg.rtcp_socket}) {
        epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, socket, nullptr);
        ::close(socket);
    }
    garbage_.post(&leg);
}

void Engine::closed_tap(Tap& tap) {
    ::close(tap.socket);
    garbage_.post(&tap);
}

}  // namespace media
