#include "media_thread.hpp"

#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <bit>

namespace media {

namespace {

constexpr int fifo_priority = 20;
constexpr Nanos soon = 5 * millisecond;

// At 0 it is stopped.
void set_timer(int timer, Nanos at) {
    itimerspec when{};
    when.it_value = {at / 1'000'000'000, at % 1'000'000'000};
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, nullptr);
}

}  // namespace

Nanos monotonic() {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return Nanos{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

void Latency::add(Nanos took) {
    const auto bucket = std::bit_width(static_cast<std::uint64_t>(took / 1000));
    counts[static_cast<std::size_t>(std::min<int>(static_cast<int>(bucket), buckets - 1))].add(1);
    if (took > max_ns.get()) max_ns.set(took);
}

Common::Common(EngineConfig config_)
    : config(config_), events_waiting(open_eventfd()), writer(
          [this](const Event& told) {
              tell(told);
              signal(events_waiting.get());
          },
          garbage) {}

void Common::tell(const Event& event) {
    if (!events.push(event)) events_lost.fetch_add(1, std::memory_order_relaxed);
}

MediaThread::MediaThread(Common& common)
    : common_(common), switch_(*this, static_cast<Nanos>(common.config.silence_after * 1e9)), wake_(open_eventfd()),
      soon_(open_timer()), timer_(open_timer()), epoll_(open_epoll()) {
    for (Descriptor* mine : {&wake_, &soon_, &timer_}) watch(mine->get(), nullptr);
    switch_.advance(monotonic());
}

// ---- for the control side

void MediaThread::start() {
    thread_ = std::thread(&MediaThread::run, this);
    running_.wait(false);
}

void MediaThread::stop() {
    stopping_.store(true);
    wake();
    if (thread_.joinable()) thread_.join();
}

void MediaThread::close_descriptors() {
    for (Descriptor* mine : {&epoll_, &timer_, &soon_, &wake_}) *mine = Descriptor();
}

void MediaThread::post(std::unique_ptr<Command> command, When when) {
    const bool first = commands_.post(command.release());
    if (when == When::now) wake();
    else if (first) set_timer(soon_.get(), monotonic() + soon);
}

// ---- the thread itself

const char* MediaThread::ask_for_scheduling() {
    if (!common_.config.realtime) return "normal";
    sched_param wanted{};
    wanted.sched_priority = fifo_priority;
    if (pthread_setschedparam(pthread_self(), SCHED_FIFO, &wanted) == 0) return "fifo";
    const auto self = static_cast<id_t>(syscall(SYS_gettid));
    return setpriority(PRIO_PROCESS, self, -15) == 0 ? "nice" : "normal";
}

void MediaThread::run() {
    pthread_setname_np(pthread_self(), "media");
    prctl(PR_SET_TIMERSLACK, 1);  // nanoseconds
    scheduling_.store(ask_for_scheduling());
    running_.store(true);
    running_.notify_all();
    while (!stopping_.load(std::memory_order_relaxed)) {
        wait();
        woke_ = monotonic();
        if (asked()) {  // what was asked for before a packet came holds for that packet
            switch_.advance(woke_);
            run_commands();
        }
        serve();
        switch_.advance(monotonic());
        if (asked()) run_commands();
        arm_timer();
        if (std::exchange(event_posted_, false)) signal(common_.events_waiting.get());
        pause();
    }
}

void MediaThread::pause() {
    const auto next = rounds_.rest(woke_, monotonic());
    if (!next) return;
    const timespec until{*next / 1'000'000'000, *next % 1'000'000'000};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
}

// Commands behind one that is not ready wait for it, and packets go on: nodes that come from another thread are on their
// way, and whatever is asked of them is asked here already. Returns whether anything was done.
bool MediaThread::run_commands() {
    for (bool any = false;; any = true) {
        if (first_command_ == nullptr) first_command_ = commands_.take_all();
        Command* command = static_cast<Command*>(first_command_);
        if (command == nullptr || !command->ready()) return any;
        first_command_ = command->next_parcel;
        command->run(switch_);
        common_.garbage.post(command);
    }
}

bool MediaThread::asked() const {
    return first_command_ == nullptr ? commands_.waiting() : static_cast<Command*>(first_command_)->ready();
}

void MediaThread::arm_timer() {
    const Nanos deadline = switch_.deadline().value_or(0);
    if (deadline == armed_) return;
    armed_ = deadline;
    set_timer(timer_.get(), deadline);
}

void MediaThread::send(Leg& leg, rtp::Bytes packet) {
    send_datagram(leg.sockets.rtp, packet, leg.connected ? Address{} : leg.origin.remote());
    if (receiving_) latency_.add(monotonic() - woke_);
}

void MediaThread::send_report(Leg& leg, rtp::Bytes packet) {
    if (leg.reports.muxed) return send_datagram(leg.sockets.rtp, packet, leg.connected ? Address{} : leg.origin.remote());
    send_datagram(leg.sockets.rtcp, packet, leg.reports.destination(leg.origin.remote()));
}

void MediaThread::tap(Tap& tap) {
    tap.pieces.hand_over([&tap](std::span<const std::byte> datagram) {
        if (::send(tap.socket, datagram.data(), datagram.size(), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return Taken::yes;
        return errno == EAGAIN || errno == ENOBUFS ? Taken::later : Taken::never;
    });
}

void MediaThread::recorded_all(Recorder& recorder) {
    recorder.finished.store(true, std::memory_order_release);
    common_.writer.hurry();
}

void MediaThread::event(const Event& event) {
    common_.tell(event);
    event_posted_ = true;
}

void MediaThread::unsettled(Leg& leg) {
    if (std::exchange(leg.connected, false)) disconnect_socket(leg.sockets.rtp);
}

void MediaThread::left(Handover& nodes) {
    MediaThread& to = *common_.threads[static_cast<std::size_t>(nodes.to)];
    nodes.away.store(true, std::memory_order_release);
    to.wake();
}

// Closing here, and not when the control side gets round to it, frees the ports at once.
void MediaThread::closed_leg(Leg& leg) {
    unwatch(leg);
    for (const int socket : {leg.sockets.rtp, leg.sockets.others, leg.sockets.rtcp}) ::close(socket);
    common_.garbage.post(&leg);
}

void MediaThread::closed_tap(Tap& tap) {
    ::close(tap.socket);
    common_.garbage.post(&tap);
}

}  // namespace media
