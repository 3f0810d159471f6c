// A leg: one far end, its RTP in and out. It hears and it sounds.
#pragma once
#include <optional>

#include "clock.hpp"
#include "digits.hpp"
#include "g711.hpp"
#include "incoming.hpp"
#include "jitter.hpp"
#include "node.hpp"
#include "noise.hpp"
#include "origin.hpp"
#include "outgoing.hpp"
#include "placement.hpp"
#include "probation.hpp"
#include "reports.hpp"
#include "srtp.hpp"
#include "tones.hpp"

namespace media {

inline constexpr int max_packet_samples = 480;    // 60 ms
inline constexpr std::uint8_t comfort_noise_type = 13;  // RFC 3551 table 4

enum class Content { audio, event, comfort_noise };

// What the two sides agreed on in SDP.
struct Format {
    Codec codec = Codec::pcma;
    std::uint8_t payload_type = 8;
    std::uint8_t received_type = 8;     // what the far side was told to send by, as are the keys …
    int digit_payload_type = -1;        // -1: no telephone-events
    int received_digit_type = -1;
    int digit_ratio = 1;                // ticks of the telephone-events' clock in one 8 kHz sample
    int packet_samples = frame_samples;  // how much sound each packet of our own mix holds
    bool comfort_noise = false;         // the far side takes CN packets; what it sends of them is always understood

    // What a number stands for: by what we wrote, or else by what they did (RFC 3264 section 5.1). Many far ends send
    // by their own.
    std::optional<Content> agreed(int type) const {
        if (type == received_digit_type) return Content::event;
        if (type == received_type) return Content::audio;
        if (type == digit_payload_type) return Content::event;
        if (type == payload_type) return Content::audio;
        return std::nullopt;
    }
};

// What a leg needs for a format, made on the control side.
struct Equipment : Parcel {
    explicit Equipment(Format format_)
        : format(format_), coder(make_coder(format.codec)),
          tones(format.digit_payload_type < 0 ? std::make_unique<ToneDigits>() : nullptr) {}
    const Format format;
    std::unique_ptr<Coder> coder;
    std::unique_ptr<ToneDigits> tones;  // only where the far end has no telephone-events: no key is heard twice
};

// The payload of one accepted packet.
struct Heard {
    Content content;
    Codec codec;
};

// Cuts the frames of a mix into packets of the length that the far side wants.
class Packing {
  public:
    // `send` gets the samples of each packet that is full now, and whether it follows on something.
    template <typename Send>
    void add(const Frame& frame, Nanos now, int packet_samples, Send send) {
        if (now != last_ + frame_time) {
            filled_ = 0;
            fresh_ = true;
        }
        last_ = now;
        std::copy(frame.begin(), frame.end(), samples_.begin() + filled_);
        filled_ += frame_samples;
        while (filled_ >= packet_samples) {
            send(std::span<const Sample>(samples_.data(), static_cast<std::size_t>(packet_samples)),
                 std::exchange(fresh_, false));
            std::copy(samples_.begin() + packet_samples, samples_.begin() + filled_, samples_.begin());
            filled_ -= packet_samples;
        }
    }

    // The mix ends: `send` gets what is left, 10 to 40 ms, for it is heard by nobody otherwise.
    template <typename Send>
    void end(Send send) {
        if (filled_ == 0) return;
        const std::span<const Sample> rest(samples_.data(), static_cast<std::size_t>(std::exchange(filled_, 0)));
        send(rest, std::exchange(fresh_, false));
    }

  private:
    std::array<Sample, max_packet_samples + frame_samples> samples_{};
    int filled_ = 0;
    Nanos last_ = 0;
    bool fresh_ = true;
};

struct LegCounters {
    Counter packets_in, packets_out, octets_out;  // octets: of payload, as sender reports count
    Counter strangers, malformed, last_packet;    // last_packet: nanoseconds, 0 before the first
};

// What was refused, closer: where nothing is heard, this tells why.
struct Refusals {
    Counter unprotected;     // from the far end, but not by its SRTP key, or seen before
    Counter foreign;         // from the far end, of a payload type that nobody agreed on …
    Counter last_type{-1};   // … which was this
    SharedAddress stranger;  // who else sent something
};

// What a leg's stream begins with; random in production, chosen in tests.
struct Beginning {
    std::uint32_t ssrc;
    std::uint16_t sequence;
    std::uint32_t timestamp;
};

// The engine's; closed by it.
struct LegSockets {
    int rtp = -1;
    int others = -1;  // on the same port: gets what the RTP socket does not take, which is all until that is connected
    int rtcp = -1;
    bool v6 = false;  // all three
};

struct Leg : Node {
    Leg(int id_, Beginning with, LegSockets sockets_ = {})
        : Node(id_, Kind::leg), sockets(sockets_),
          out(with.ssrc, with.sequence, with.timestamp), reports(out, {with.ssrc, with.sequence, with.timestamp}) {}

    // What a packet carries, or nothing when this leg has no use for it.
    std::optional<Heard> understand(const rtp::Packet& packet) const {
        const int type = packet.payload_type;
        if (packet.payload.empty() || packet.payload.size() > rtp::max_payload) return std::nullopt;
        if (const auto agreed = format.agreed(type)) {
            if (*agreed == Content::event && packet.payload.size() % event_size != 0) return std::nullopt;
            return Heard{*agreed, format.codec};
        }
        // The static types mean the same everywhere (RFC 3551 table 4); some phones send the other law unasked.
        if ((type == 0 || type == 8) && is_g711(format.codec)) return Heard{Content::audio, static_cast<Codec>(type)};
        if (type == comfort_noise_type) return Heard{Content::comfort_noise, format.codec};  // RFC 3389
        return std::nullopt;
    }

    // The 8 kHz samples of a payload, 0 when it is damaged.
    std::size_t decode(rtp::Bytes payload, Codec codec, std::span<Sample> samples) {
        if (codec == format.codec) return coder->decode(payload, samples);
        g711::decode(codec, payload, samples.data());
        return payload.size();
    }

    // What a packet of it touches, in or out.
    void prefetch() const {
        Node::prefetch();
        prefetch_sending();
        jitter.prefetch();
    }
    void prefetch_sending() const { media::prefetch(&format, &noise + 1); }

    // What every packet touches stands together, from here …
    alignas(64) Format format;
    std::unique_ptr<Coder> coder = make_coder(format.codec);
    std::unique_ptr<ToneDigits> tones;
    Security security;
    Origin origin;
    const LegSockets sockets;
    bool connected = false;             // the engine's: the RTP socket takes packets from the remote address only
    bool feeding = false;               // some listener mixes me, so the jitter buffer is in use
    bool silence_said = false;
    bool control_digits = false;        // the control side's own: telephone-events were agreed on
    Codec control_codec = Codec::pcma;  // the control side's own too
    Probation probation;
    Incoming in;
    Outgoing out;
    LegCounters counters;
    SampleClock clock;
    std::uint32_t heard_until = 0;  // on the sender's clock, behind the newest audio or key
    Placement timeline{2400 - 160, 480};  // for recordings: what comes 280 ms late still finds its place
    // … to here.
    ComfortNoise noise, recorded_noise;
    std::int64_t silent_from = 0;  // on the common sample grid: up to here a recording has what the far end did not send
    JitterBuffer jitter;
    DigitReceiver digits_in;
    DigitSender digits_out;
    PassingPress passing;     // to my far end …
    DigitReceiver taken_over;  // … and what was pressed for it instead: a relay must not press it once more
    Packing packing;

    Reports reports;
    Refusals refusals;
    HeldPacket held;  // by `probation`

    Leg* next_leg = nullptr;
    Leg* previous_leg = nullptr;
};

inline Leg& as_leg(Node& node) { return static_cast<Leg&>(node); }

}  // namespace media
