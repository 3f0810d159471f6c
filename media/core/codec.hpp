// The codecs: what goes over the line for 8 kHz samples, one coder with its state for each leg.
#pragma once
#include <memory>

#include "mailbox.hpp"
#include "rtp.hpp"
#include "samples.hpp"

namespace media {

// By the payload type that we offer them under: static ones from RFC 3551 section 6, the others dynamic.
enum class Codec : std::uint8_t { pcmu = 0, pcma = 8, g722 = 9, opus = 96, l16 = 97, l16_wide = 98 };

constexpr bool known(int codec) {
    return codec == 0 || codec == 8 || codec == 9 || (codec >= 96 && codec <= 98);
}

constexpr bool is_g711(Codec codec) { return codec == Codec::pcmu || codec == Codec::pcma; }

// How many ticks of the codec's RTP clock pass in one 8 kHz sample. G.722 counts 8000 a second although it samples at
// 16 kHz (RFC 3551 section 4.5.2); Opus always counts 48000 (RFC 7587 section 4.1).
constexpr int clock_ratio(Codec codec) { return codec == Codec::opus ? 6 : codec == Codec::l16_wide ? 2 : 1; }

// How long a payload sounds, in ticks of its codec's RTP clock; 0 when it is damaged.
std::uint32_t ticks(Codec codec, rtp::Bytes payload);

// Packet lengths that fit the codec's frames (RFC 7587 section 4.2 has none of 30 ms) and an Ethernet frame.
constexpr bool can_pack(Codec codec, int ms) {
    if (ms == 30) return codec != Codec::opus;
    return ms == 10 || ms == 20 || ms == 40 || (ms == 60 && codec != Codec::l16_wide);
}

// Can payloads of one leg be sent to the other as they come, at most byte by byte through a table?
constexpr bool relayable(Codec from, Codec to) { return from == to || (is_g711(from) && is_g711(to)); }

inline constexpr std::size_t max_samples = rtp::max_payload;  // no payload of any codec sounds longer

// One leg's two directions. Made on the control side; nothing here allocates after that.
class Coder : public Parcel {
  public:
    // Write what `samples` (8 kHz, 10, 20, 40 or 60 ms) become; returns the size of the payload.
    virtual std::size_t encode(std::span<const Sample> samples, std::span<std::uint8_t> payload) = 0;

    // How many of so many samples the next payload can hold, at most 20 ms; 0 when they are too few for a frame.
    virtual std::size_t fits(std::size_t samples) const { return std::min<std::size_t>(samples, frame_samples); }

    // Write the 8 kHz samples of a payload; returns how many, 0 when it is damaged.
    virtual std::size_t decode(rtp::Bytes payload, std::span<Sample> samples) = 0;

    // Write the samples of the lost packet right before this payload as far as the payload tells them; returns how
    // many, 0 for a codec that sends everything once. To be called before `decode`.
    virtual std::size_t recover(rtp::Bytes, std::span<Sample>) { return 0; }

    // A decoder of its own for the same payloads, at 16 kHz; null where there is nothing above 4 kHz in them.
    virtual Coder* wide() { return nullptr; }

    // False for a decoder that has filled the gap already, so that a late packet would be heard twice.
    virtual bool takes_late() const { return true; }
};

constexpr bool is_wide(Codec codec) { return codec == Codec::g722 || codec == Codec::opus || codec == Codec::l16_wide; }

// Throws std::bad_alloc.
std::unique_ptr<Coder> make_coder(Codec codec);

}  // namespace media
