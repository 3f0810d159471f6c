#include "engine.hpp"

#include <random>
#include <stdexcept>
#include <string_view>

namespace media {

Engine::Engine(EngineConfig config) : Desk(config.threads), common_(config) {
    for (int number = 0; number < config.threads; ++number)
        common_.threads.push_back(std::make_unique<MediaThread>(common_));
}

void Engine::start() {
    refuse_when_closed();
    if (thread(0).started()) throw std::logic_error("the media engine runs already");
    common_.writer.start();
    for (auto& thread : common_.threads) thread->start();
}

void Engine::close() {
    if (std::exchange(closed_, true)) return;
    for (auto& thread : common_.threads) thread->stop();
    close_all();  // this thread is all media threads from here on
    for (bool more = true; more;) {
        more = false;
        for (auto& thread : common_.threads) more |= thread->run_commands();
    }
    common_.writer.stop();
    common_.garbage.discard_all();
    for (auto& thread : common_.threads) thread->close_descriptors();
    common_.events_waiting = Descriptor();
}

void Engine::submit(int number, std::unique_ptr<Command> command, When when) {
    thread(number).post(std::move(command), when);
    common_.garbage.discard_all();
}

void Engine::refuse_when_closed() const {
    if (closed_) throw std::logic_error("the media engine has been closed");
}

std::pair<int, int> Engine::open_leg(const std::string& ip) {
    refuse_when_closed();
    const Address local = parse_address(ip, 0);
    PortPair ports = open_ports(local, common_.config.port_low, common_.config.port_high);
    static thread_local std::random_device random;  // making one asks the processor its features: a trap in a VM
    const Beginning with{random(), static_cast<std::uint16_t>(random()), random()};
    Leg& leg = add_leg(with, {ports.rtp.release(), ports.others.release(), ports.rtcp.release(), !local.ip.is_v4()});
    thread(home(leg)).watch(leg);
    return {leg.id, ports.port};
}

std::pair<int, int> Engine::open_recorder(const std::string& path, bool mask_tones) {
    refuse_when_closed();
    Recorder& recorder = add_recorder(mask_tones, create_recording(path.c_str()).release());
    common_.writer.add(recorder);
    return {recorder.left.id, recorder.right.id};
}

int Engine::open_tap(int socket, int piece_ms, int rate) {
    refuse_when_closed();
    check_tap(piece_ms, rate);
    const int few = 8 * piece_ms * rate / 1000 * static_cast<int>(sizeof(Sample));  // pieces: the rest waits in the tap
    return add_tap(piece_ms, rate, duplicate_datagram_socket(socket, few).release()).id;
}

std::vector<Event> Engine::drain() {
    if (!closed_) clear(common_.events_waiting.get());
    common_.garbage.discard_all();
    std::vector<Event> taken;
    while (const auto event = common_.events.pop()) taken.push_back(*event);
    return taken;
}

const char* Engine::scheduling() const {
    for (const std::string_view least : {"normal", "nice"})
        for (const auto& thread : common_.threads)
            if (thread->scheduling() == least) return least.data();
    return "fifo";
}

LatencyReport Engine::relay_latency() const {
    LatencyReport report{};
    for (const auto& thread : common_.threads) {
        const Latency& latency = thread->relay_latency();
        report.max_us = std::max(report.max_us, static_cast<double>(latency.max_ns.get()) / 1000);
        for (std::size_t i = 0; i < report.counts.size(); ++i) report.counts[i] += latency.counts[i].get();
    }
    return report;
}

}  // namespace media
