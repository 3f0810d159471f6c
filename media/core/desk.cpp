#include "desk.hpp"

#include <arpa/inet.h>

#include <cmath>
#include <stdexcept>

namespace media {

Address parse_address(const std::string& ip, int port) {
    Ip parsed = Ip::v4({});
    const bool v6 = ip.find(':') != std::string::npos;
    if (inet_pton(v6 ? AF_INET6 : AF_INET, ip.c_str(), parsed.octets.data() + (v6 ? 0 : 12)) != 1)
        throw std::invalid_argument("'" + ip + "' is no address such as 192.0.2.10 or 2001:db8::10");
    if (port < 0 || port > 65535) throw std::invalid_argument("port " + std::to_string(port) + " is not in 0…65535");
    return {parsed, static_cast<std::uint16_t>(port)};
}

std::string ip_text(Address address) {
    char text[INET6_ADDRSTRLEN];
    const std::uint8_t* octets = address.ip.octets.data();
    return address.ip.is_v4() ? inet_ntop(AF_INET, octets + 12, text, sizeof text)
                              : inet_ntop(AF_INET6, octets, text, sizeof text);
}

namespace {

// No socket leads from one family of addresses to the other.
Address far_end(const Leg& leg, const std::string& ip, int port) {
    const Address parsed = parse_address(ip, port);
    if (leg.sockets.rtp >= 0 && leg.sockets.v6 == parsed.ip.is_v4())
        throw std::invalid_argument("a leg bound on " + std::string(leg.sockets.v6 ? "IPv6" : "IPv4") + " cannot reach " + ip);
    return parsed;
}

// Of one direction; no telephone-events: -1.
struct PayloadTypes {
    int audio, digits;
};

// What is received by: our own where they are given.
PayloadTypes received_types(PayloadTypes sent, PayloadTypes own) {
    const PayloadTypes received{own.audio < 0 ? sent.audio : own.audio, own.digits < 0 ? sent.digits : own.digits};
    for (const auto [audio, digits] : {sent, received}) {
        if (audio < 0 || audio > 127 || digits > 127) throw std::invalid_argument("an RTP payload type is 0…127");
        if (audio == digits) throw std::invalid_argument("audio and telephone-event need different payload types");
    }
    if (sent.digits < 0 && own.digits >= 0)
        throw std::invalid_argument(
            "telephone-event is received where it is sent too: give set_codec a digit_payload_type");
    return received;
}

}  // namespace

template <typename Action>
void Desk::post(int thread, Action action, When when) {
    struct Task final : Command {
        explicit Task(Action does_) : does(std::move(does_)) {}
        void run(Switch& to) override { does(to); }
        Action does;
    };
    submit(thread, std::make_unique<Task>(std::move(action)), when);
}

// Every command about these nodes so far has been submitted to the one thread, all that follow go to the other.
void Desk::move(Homes::Move move) {
    struct Departure final : Moving {
        using Moving::Moving;
        void run(Switch& from) override { from.leave(*handover); }
    };
    struct Arrival final : Moving {
        using Moving::Moving;
        bool ready() const override { return handover->away.load(std::memory_order_acquire); }
        void run(Switch& to) override { to.arrive(*handover); }
    };
    const auto handover = std::make_shared<Handover>(std::move(move.nodes), move.to);
    submit(move.from, std::make_unique<Departure>(handover), When::now);
    submit(move.to, std::make_unique<Arrival>(handover), When::now);
}

Node& Desk::node(int id) const {
    const auto found = nodes_.find(id);
    if (found == nodes_.end()) throw NoSuchNode(id);
    return *found->second;
}

Leg& Desk::leg(int id) const {
    Node& found = node(id);
    if (found.kind != Kind::leg) throw NoSuchNode(id);
    return static_cast<Leg&>(found);
}

Player& Desk::player(int id) const {
    Node& found = node(id);
    if (found.kind != Kind::player) throw NoSuchNode(id);
    return static_cast<Player&>(found);
}

Leg& Desk::add_leg(Beginning with, LegSockets sockets) {
    Leg* leg = new Leg(++last_id_, with, sockets);
    nodes_[leg->id] = leg;
    homes_.open(*leg);
    post(home(*leg), [leg](Switch& to) { to.open(*leg); });
    return *leg;
}

int Desk::open_player() {
    Player* player = new Player(++last_id_);
    nodes_[player->id] = player;
    homes_.open(*player);
    return player->id;
}

Recorder& Desk::add_recorder(bool mask_tones, int file) {
    const int left = ++last_id_, right = ++last_id_;
    Recorder* recorder = new Recorder(left, right, mask_tones, file);
    nodes_[left] = &recorder->left;
    nodes_[right] = &recorder->right;
    homes_.open(recorder->left, recorder->right);
    post(home(recorder->left), [recorder](Switch& to) { to.open(*recorder); }, When::now);
    return *recorder;
}

void Desk::check_tap(int piece_ms, int rate) {
    if (rate != 8000 && rate != 16000) throw std::invalid_argument("a tap's rate is 8000 or 16000 samples a second");
    if (piece_ms < 20 || piece_ms > 100 || piece_ms % 20 != 0)
        throw std::invalid_argument("a tap's pieces are 20, 40, 60, 80 or 100 ms");
}

Tap& Desk::add_tap(int piece_ms, int rate, int socket) {
    Tap* tap = new Tap(++last_id_, piece_ms, rate, socket);
    nodes_[tap->id] = tap;
    homes_.open(*tap);
    return *tap;
}

void Desk::set_codec(int id, int codec, int payload_type, int digit_payload_type, int digit_clock, int packet_ms,
                     bool comfort_noise, int receive_payload_type, int receive_digit_payload_type) {
    Leg& found = leg(id);
    if (!known(codec))
        throw std::invalid_argument("codec must be PCMU (0), PCMA (8), G722 (9), OPUS (96), L16 (97) or L16_WIDE (98)");
    const PayloadTypes sent{payload_type, digit_payload_type};
    const PayloadTypes received = received_types(sent, {receive_payload_type, receive_digit_payload_type});
    const Codec wanted = static_cast<Codec>(codec);
    if (digit_clock != 8000 && digit_clock != 8000 * clock_ratio(wanted))
        throw std::invalid_argument("telephone-event runs at 8000 Hz or at the clock of the codec");
    if (!can_pack(wanted, packet_ms))
        throw std::invalid_argument("a packet holds 10, 20, 30, 40 or 60 ms; OPUS not 30, L16_WIDE at most 40");
    found.control_digits = digit_payload_type >= 0;
    found.control_codec = wanted;
    const Format format{.codec = wanted,
                        .payload_type = static_cast<std::uint8_t>(payload_type),
                        .received_type = static_cast<std::uint8_t>(received.audio),
                        .digit_payload_type = digit_payload_type,
                        .received_digit_type = received.digits,
                        .digit_ratio = digit_clock / 8000,
                        .packet_samples = packet_ms * 8,
                        .comfort_noise = comfort_noise};
    Equipment* equipment = new Equipment(format);
    post(home(found), [&found, equipment](Switch& to) { to.set_format(found, *equipment); });
}

void Desk::set_srtp(int id, const std::string& suite, std::vector<std::uint8_t> send,
                    std::vector<std::uint8_t> receive) {
    Leg& found = leg(id);
    auto security = std::make_unique<Security>();
    if (!suite.empty()) {
        security->send = std::make_unique<Srtp>(suite, std::move(send), found.out.ssrc());
        security->receive = std::make_unique<Srtp>(suite, std::move(receive), std::nullopt);
    }
    post(home(found), [&found, made = security.release()](Switch& to) { to.set_security(found, *made); });
}

void Desk::set_remote(int id, const std::string& ip, int port, bool rtcp_mux,
                      const std::optional<std::pair<std::string, int>>& rtcp) {
    Leg& found = leg(id);
    const Address address = far_end(found, ip, port);
    const Address reports = rtcp ? far_end(found, rtcp->first, rtcp->second) : Address{};
    post(home(found), [&found, address, rtcp_mux, reports](Switch& to) {
        to.set_remote(found, address, rtcp_mux, reports);
    }, When::now);
}

void Desk::set_gain(int listener, int source, double gain) {
    Node &hears = node(listener), &sounds = node(source);
    if (!hears.hears()) throw std::invalid_argument("node " + std::to_string(listener) + " cannot hear: it is a player");
    if (!sounds.sounds()) throw std::invalid_argument("node " + std::to_string(source) + " makes no sound");
    if (!(gain >= 0 && gain <= 16)) throw std::invalid_argument("a gain is 0…16");
    const Gain level = static_cast<Gain>(std::lround(gain * unity));
    if (auto moving = homes_.join(hears, sounds, level != 0, now())) move(std::move(*moving));
    if (homes_.of(hears) != homes_.of(sounds)) return;  // there is no gain between them to take back
    Cell* cell = new Cell(hears, sounds, level);
    post(home(hears), [cell](Switch& to) { to.set_gain(*cell); });
}

void Desk::play(int id, SharedSamples samples, bool loop) {
    Player& found = player(id);
    const bool endless = loop && !samples.get().empty();
    Sound* sound = new Sound(std::move(samples), endless);
    post(home(found), [&found, sound](Switch& to) { to.play(found, *sound); }, When::now);
}

void Desk::finish(int id) {
    Player& found = player(id);
    post(home(found), [&found](Switch& to) { to.finish(found); });
}

void Desk::stop(int id) {
    Player& found = player(id);
    post(home(found), [&found](Switch& to) { to.stop(found); }, When::now);
}

void Desk::send_digit(int id, const std::string& key, int duration_ms) {
    Leg& found = leg(id);
    const auto code = key.size() == 1 ? keys.find(key[0]) : std::string_view::npos;
    if (code == std::string_view::npos) throw std::invalid_argument("'" + key + "' is no key; keys are 0-9 * # A-D");
    if (duration_ms < 40 || duration_ms > 8000) throw std::invalid_argument("a key is pressed for 40…8000 ms");
    if (!found.control_digits)
        throw std::invalid_argument("the far end did not agree to telephone-event: give set_codec a digit_payload_type");
    post(home(found), [&found, code, duration_ms](Switch& to) {
        to.send_digit(found, static_cast<std::uint8_t>(code), duration_ms * 8);
    }, When::now);
}

void Desk::close_node(int id) { close(node(id)); }

// Whatever has been submitted may be done and deleted at once.
void Desk::close(Node& closing) {
    const int thread = home(closing);
    if (closing.kind == Kind::side) {
        Recorder& recorder = static_cast<Side&>(closing).recorder;
        forget(recorder.left);
        forget(recorder.right);
        return post(thread, [&recorder](Switch& to) { to.close(recorder); }, When::now);
    }
    forget(closing);
    if (closing.kind == Kind::leg) return post(thread, [&closing](Switch& to) { to.close(static_cast<Leg&>(closing)); });
    if (closing.kind == Kind::tap) return post(thread, [&closing](Switch& to) { to.close(static_cast<Tap&>(closing)); });
    post(thread, [&closing](Switch& to) { to.close(static_cast<Player&>(closing)); });
}

void Desk::forget(const Node& closing) {
    homes_.close(closing);
    nodes_.erase(closing.id);
}

void Desk::close_all() {
    while (!nodes_.empty()) close(*nodes_.begin()->second);
}

LegReport Desk::stats(int id) const {
    const Leg& found = leg(id);
    const LegCounters& counters = found.counters;
    const Refusals& refusals = found.refusals;
    const Reports& reports = found.reports;
    const Nanos last = counters.last_packet.get();
    const double age = counters.packets_in.get() == 0 ? -1 : static_cast<double>(now() - last) / 1e6;
    const std::int64_t round_trip = reports.round_trip_us.get();
    return {.packets_in = counters.packets_in.get(),
            .packets_out = counters.packets_out.get(),
            .strangers = counters.strangers.get(),
            .malformed = counters.malformed.get(),
            .lost = found.in.lost.get(),
            .jitter_ms = static_cast<double>(found.in.jitter.get()) / 16 / 8,
            .age_ms = age,
            .unprotected = refusals.unprotected.get(),
            .other_stream = found.probation.refused.get(),
            .foreign = refusals.foreign.get(),
            .last_type = refusals.last_type.get(),
            .codec = static_cast<int>(found.control_codec),
            .announced = found.origin.signalled(),
            .source = found.origin.remote(),
            .stranger = refusals.stranger.get(),
            .far = {.received = reports.received.get(),
                    .written = reports.written.get(),
                    .refused = reports.strangers.get() + reports.malformed.get(),
                    .heard = reports.heard.get(),
                    .packets = reports.far_packets.get(),
                    .expected = reports.far_expected.get(),
                    .lost = reports.far_lost.get(),
                    .jitter_ms = static_cast<double>(reports.far_jitter_us.get()) / 1000,
                    .round_trip_ms = round_trip < 0 ? -1 : static_cast<double>(round_trip) / 1000,
                    .left = reports.left.get() != 0}};
}

std::int64_t Desk::tap_drops(int id) const {
    Node& found = node(id);
    if (found.kind != Kind::tap) throw NoSuchNode(id);
    return static_cast<Tap&>(found).pieces.dropped.get();
}

}  // namespace media
