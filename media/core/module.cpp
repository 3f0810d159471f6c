// The Python module media._core: the engine, and the bare switch for tests that bring their own time.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <cstring>
#include <deque>
#include <map>
#include <system_error>

#include "engine.hpp"
#include "parts.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace media {
namespace {

// What never changes is played where it lies: a hundred loops of one piece of music are one piece of music. Whoever lets
// go of it last, on the control side, may do so without Python's lock.
SharedSamples shared(const nb::object& pcm) {
    struct View {
        Py_buffer buffer{};
        ~View() {
            const nb::gil_scoped_acquire lock;
            PyBuffer_Release(&buffer);
        }
    };
    const auto view = std::make_shared<View>();
    if (PyObject_GetBuffer(pcm.ptr(), &view->buffer, PyBUF_SIMPLE) != 0) throw nb::python_error();
    if (!view->buffer.readonly)
        throw std::invalid_argument("samples that may still change cannot be played: bytes can, or a read-only memoryview");
    const auto size = static_cast<std::size_t>(view->buffer.len);
    return {view, std::span(static_cast<const Sample*>(view->buffer.buf), sample_count(size))};
}

// What began counts.
std::int64_t milliseconds(std::int64_t frames) { return (frames + 7) / 8; }

// Events as plain tuples, named as the dataclasses of media/engine.py that Python makes of them.
nb::tuple event_tuple(const Event& event) {
    switch (event.type) {
        case Event::Type::digit:
            return nb::make_tuple("DigitPressed", event.node, std::string(1, static_cast<char>(event.value)));
        case Event::Type::tone_digit:
            return nb::make_tuple("DigitPressed", event.node, std::string(1, static_cast<char>(event.value)), true);
        case Event::Type::play_finished:
            return nb::make_tuple("PlayFinished", event.node, event.value);
        case Event::Type::first_packet:
            return nb::make_tuple("FirstPacket", event.node, ip_text(event.address), event.address.port);
        case Event::Type::silence:
            return nb::make_tuple("RtpSilence", event.node, static_cast<double>(event.value) / 1000);
        case Event::Type::trouble:
            return nb::make_tuple("RecorderTrouble", event.node,
                                  event.value == 0 ? std::string("the disk is too slow; parts are left silent")
                                                   : std::string(std::strerror(static_cast<int>(event.value))));
        case Event::Type::resumed:
            return nb::make_tuple("RecorderResumed", event.node, milliseconds(event.missing));
        case Event::Type::recorder_closed:
            break;
    }
    return nb::make_tuple("RecorderClosed", event.node, event.value, milliseconds(event.missing));
}

nb::list event_list(const std::vector<Event>& events) {
    nb::list list;
    for (const Event& event : events) list.append(event_tuple(event));
    return list;
}

// Switches without sockets, threads or a clock: what they put out is kept until it is taken. Several are as many media
// threads, of which each is `lag` behind the one before until it has something to do.
class BareSwitch final : public Desk, private Output {
  public:
    BareSwitch(double silence_after, int threads, Nanos lag) : Desk(threads), lag_(lag) {
        for (int i = 0; i < threads; ++i) switches_.emplace_back(static_cast<Output&>(*this), static_cast<Nanos>(silence_after * 1e9));
    }
    ~BareSwitch() { close_all(); }

    int open_leg(std::uint32_t ssrc, std::uint16_t sequence, std::uint32_t timestamp) {
        return add_leg({ssrc, sequence, timestamp}).id;
    }
    std::pair<int, int> open_recorder(bool mask_tones) {
        Recorder& recorder = add_recorder(mask_tones);
        recorders_.push_back(&recorder);
        return {recorder.left.id, recorder.right.id};
    }
    int open_tap(int piece_ms, int rate) {
        check_tap(piece_ms, rate);
        Tap& tap = add_tap(piece_ms, rate);
        taps_[tap.id] = &tap;
        return tap.id;
    }

    void advance(Nanos now) {
        now_ = now;
        for (std::size_t i = 0; i < switches_.size(); ++i) switches_[i].advance(now - static_cast<Nanos>(i) * lag_);
    }
    std::optional<Nanos> deadline() const { return switches_.front().deadline(); }
    void packet(int leg, const nb::bytes& data, const std::string& ip, int port, Nanos now) {
        now_ = now;
        Leg& to = this->leg(leg);
        Switch& its = switches_[static_cast<std::size_t>(home(to))];
        if (lag_ > 0) its.advance(now);
        its.packet(to, {reinterpret_cast<const std::uint8_t*>(data.c_str()), data.size()},
                       parse_address(ip, port), now);
    }

    void report(int leg, const nb::bytes& data, const std::string& ip, int port, Nanos now) {
        now_ = now;
        Leg& to = this->leg(leg);
        Switch& its = switches_[static_cast<std::size_t>(home(to))];
        if (lag_ > 0) its.advance(now);
        its.report(to, {reinterpret_cast<const std::uint8_t*>(data.c_str()), data.size()},
                       parse_address(ip, port), now);
    }

    nb::list take_reports() { return std::exchange(reports_, nb::list()); }
    nb::list take_sent() { return std::exchange(sent_, nb::list()); }
    nb::list take_tapped() {
        for (const auto& [id, tap] : taps_) take(*tap);
        return std::exchange(tapped_, nb::list());
    }
    nb::list take_recorded() {
        for (Recorder* recorder : recorders_) write(*recorder);
        return std::exchange(recorded_, nb::list());
    }
    nb::list take_events() { return event_list(std::exchange(events_, {})); }

  private:
    void submit(int thread, std::unique_ptr<Command> command, When) override {
        Switch& its = switches_[static_cast<std::size_t>(thread)];
        if (lag_ > 0 && !dynamic_cast<Moving*>(command.get())) its.advance(now_);
        command->run(its);
    }
    Nanos now() const override { return now_; }

    void send(Leg& leg, rtp::Bytes packet) override {
        const Address to = leg.origin.remote();
        sent_.append(nb::make_tuple(leg.id, bytes_of(packet, packet.size()), ip_text(to), to.port));
    }
    void send_report(Leg& leg, rtp::Bytes packet) override {
        const Address to = leg.reports.destination(leg.origin.remote());
        reports_.append(nb::make_tuple(leg.id, bytes_of(packet, packet.size()), ip_text(to), to.port));
    }
    void tap(Tap&) override {}  // whoever reads it takes what is there
    void recorded_all(Recorder& recorder) override {
        write(recorder);
        std::erase(recorders_, &recorder);
        delete &recorder;
    }
    void event(const Event& event) override { events_.push_back(event); }
    void unsettled(Leg&) override {}
    void leaving(Leg&) override {}
    void arrived(Leg&) override {}
    void left(Handover&) override {}
    void closed_leg(Leg& leg) override { delete &leg; }
    void closed_tap(Tap& tap) override {
        take(tap);
        taps_.erase(tap.id);
        delete &tap;
    }
    void closed(Parcel& parcel) override { delete &parcel; }

    void take(Tap& tap) {
        tap.pieces.hand_over([&](std::span<const std::byte> datagram) {
            tapped_.append(nb::make_tuple(tap.id, bytes_of(datagram, datagram.size())));
            return Taken::yes;
        });
    }

    // What the writer thread does elsewhere, in blocks of 20 ms.
    void write(Recorder& recorder) {
        std::array<Sample, 2 * frame_samples> room;
        while (const auto frames = std::min<std::int64_t>(recorder.waiting(), frame_samples)) {
            const std::span block = std::span(room).first(2 * static_cast<std::size_t>(frames));
            recorder.read(block);
            recorded_.append(nb::make_tuple(recorder.left.id, recorder.taken(), bytes_of(block, block.size())));
            recorder.release(frames);
        }
    }

    std::deque<Switch> switches_;
    const Nanos lag_;
    Nanos now_ = 0;
    std::vector<Recorder*> recorders_;
    std::map<int, Tap*> taps_;
    nb::list sent_, reports_, tapped_, recorded_;
    std::vector<Event> events_;
};

nb::object address_object(Address address) {
    if (address.port == 0) return nb::none();
    return nb::make_tuple(ip_text(address), address.port);
}

// In the order of media/engine.py's LegStats, the last of which is its FarSide.
nb::tuple stats_tuple(const Desk& desk, int leg) {
    const LegReport report = desk.stats(leg);
    const auto& far = report.far;
    return nb::make_tuple(report.packets_in, report.packets_out, report.strangers, report.malformed, report.lost,
                          report.jitter_ms, report.age_ms, report.unprotected, report.other_stream, report.foreign,
                          report.last_type, report.codec, address_object(report.announced), address_object(report.source),
                          address_object(report.stranger),
                          nb::make_tuple(far.received, far.written, far.refused, far.heard, far.packets, far.expected,
                                         far.lost, far.jitter_ms, far.round_trip_ms, far.left));
}

nb::dict latency_dict(const Engine& engine) {
    const LatencyReport latency = engine.relay_latency();
    nb::list counts;
    for (const std::int64_t count : latency.counts) counts.append(count);
    nb::dict report;
    report["max_us"] = latency.max_us;
    report["counts"] = counts;
    return report;
}

void translate(const std::exception_ptr& thrown, void*) {
    try {
        std::rethrow_exception(thrown);
    } catch (const NoSuchNode& error) {
        PyErr_Format(PyExc_KeyError, "no such open node: %d", error.node);
    } catch (const std::system_error& error) {
        const std::string text = error.code().message() + " (" + error.what() + ")";
        const nb::object made = nb::handle(PyExc_OSError)(error.code().value(), text);
        PyErr_SetObject(PyExc_OSError, made.ptr());
    }
}

}  // namespace
}  // namespace media

NB_MODULE(_core, module) {
    using namespace media;
    // An engine may live until the interpreter ends, when nobody is left to release it; that is no leak.
    nb::set_leak_warnings(false);
    nb::register_exception_translator(translate);

    bind_parts(module);

    nb::class_<Desk>(module, "Desk")
        .def("open_player", &Desk::open_player)
        .def("set_codec", &Desk::set_codec, "leg"_a, "codec"_a, "payload_type"_a, "digit_payload_type"_a,
             "digit_clock"_a = 8000, "packet_ms"_a = 20, "comfort_noise"_a = false, "receive_payload_type"_a = -1,
             "receive_digit_payload_type"_a = -1)
        .def("set_srtp", [](Desk& desk, int leg, const std::string& suite, const nb::bytes& send, const nb::bytes& receive) {
            desk.set_srtp(leg, suite, octets_of(send), octets_of(receive));
        }, "leg"_a, "suite"_a, "send"_a, "receive"_a)
        .def("set_remote", &Desk::set_remote, "leg"_a, "address"_a, "port"_a, "rtcp_mux"_a = false,
             "rtcp"_a.none() = nb::none())
        .def("set_gain", &Desk::set_gain, "listener"_a, "source"_a, "gain"_a)
        .def("play", [](Desk& desk, int player, const nb::object& pcm, bool loop) {
            desk.play(player, shared(pcm), loop);
        }, "player"_a, "pcm"_a, "loop"_a)
        .def("finish", &Desk::finish, "player"_a)
        .def("stop", &Desk::stop, "player"_a)
        .def("send_digit", &Desk::send_digit, "leg"_a, "key"_a, "duration_ms"_a)
        .def("close_node", &Desk::close_node, "node"_a)
        .def("stats", &stats_tuple, "leg"_a)
        .def("tap_drops", &Desk::tap_drops, "tap"_a)
        .def("thread", &Desk::thread, "node"_a)
        .def("open_nodes", &Desk::open_nodes);

    nb::class_<Engine, Desk>(module, "Engine")
        .def("__init__", [](Engine* self, int port_low, int port_high, int threads, bool realtime,
                            double silence_after) {
            new (self) Engine({port_low, port_high, threads, realtime, silence_after});
        }, "port_low"_a, "port_high"_a, "threads"_a, "realtime"_a, "silence_after"_a)
        .def("start", &Engine::start, nb::call_guard<nb::gil_scoped_release>())
        .def("close", &Engine::close, nb::call_guard<nb::gil_scoped_release>())
        .def("scheduling", &Engine::scheduling)
        .def("fileno", &Engine::fileno)
        .def("open_leg", &Engine::open_leg, "address"_a)
        .def("open_recorder", &Engine::open_recorder, "path"_a, "mask_tones"_a)
        .def("open_tap", &Engine::open_tap, "fd"_a, "piece_ms"_a, "rate"_a)
        .def("drain", [](Engine& engine) { return event_list(engine.drain()); })
        .def("events_lost", &Engine::events_lost)
        .def("relay_latency", &latency_dict);

    nb::class_<BareSwitch, Desk>(module, "Switch")
        .def(nb::init<double, int, Nanos>(), "silence_after"_a = 10.0, "threads"_a = 1, "lag_ns"_a = 0)
        .def("open_leg", &BareSwitch::open_leg, "ssrc"_a, "sequence"_a, "timestamp"_a)
        .def("open_recorder", &BareSwitch::open_recorder, "mask_tones"_a = false)
        .def("open_tap", &BareSwitch::open_tap, "piece_ms"_a = 20, "rate"_a = 8000)
        .def("advance", &BareSwitch::advance, "now_ns"_a)
        .def("deadline", &BareSwitch::deadline)
        .def("packet", &BareSwitch::packet, "leg"_a, "data"_a, "address"_a, "port"_a, "now_ns"_a)
        .def("report", &BareSwitch::report, "leg"_a, "data"_a, "address"_a, "port"_a, "now_ns"_a)
        .def("take_sent", &BareSwitch::take_sent)
        .def("take_reports", &BareSwitch::take_reports)
        .def("take_tapped", &BareSwitch::take_tapped)
        .def("take_recorded", &BareSwitch::take_recorded)
        .def("take_events", &BareSwitch::take_events);
}
