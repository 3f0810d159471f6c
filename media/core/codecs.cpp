#include <cstdint>  // spandsp uses it without including it

#include <opus/opus.h>
#include <spandsp/telephony.h>
#include <spandsp/g722.h>

#include <new>

#include "g711.hpp"
#include "resample.hpp"

namespace media {

namespace {

template <typename State, auto Free>
struct Freed {
    void operator()(State* state) const { Free(state); }
};
template <typename State, auto Free>
using Owned = std::unique_ptr<State, Freed<State, Free>>;

template <typename State>
State* or_throw(State* made) {
    if (made == nullptr) throw std::bad_alloc();
    return made;
}

// What decodes at 16 kHz, beside a coder that runs at 8.
class WideDecoder : public Coder {
  public:
    std::size_t encode(std::span<const Sample>, std::span<std::uint8_t>) override { return 0; }
};

class WideG722 final : public WideDecoder {
  public:
    std::size_t decode(rtp::Bytes payload, std::span<Sample> samples) override {
        return static_cast<std::size_t>(
            g722_decode(decoder_.get(), samples.data(), payload.data(), static_cast<int>(payload.size())));
    }

  private:
    Owned<g722_decode_state_t, g722_decode_free> decoder_{or_throw(g722_decode_init(nullptr, 64000, 0))};
};

class G711 final : public Coder {
  public:
    explicit G711(Codec codec) : codec_(codec) {}

    std::size_t encode(std::span<const Sample> samples, std::span<std::uint8_t> payload) override {
        const auto& law = g711::of(codec_);
        std::transform(samples.begin(), samples.end(), payload.begin(),
                       [&law](Sample sample) { return g711::encode(law, sample); });
        return samples.size();
    }

    std::size_t decode(rtp::Bytes payload, std::span<Sample> samples) override {
        g711::decode(codec_, payload, samples.data());
        return payload.size();
    }

  private:
    const Codec codec_;
};

// ITU-T G.722 at 64 kbit/s. Its lower band is sampled at 8 kHz: just what the mix is made of, so that neither the
// filter bank nor a resampler is needed. The upper band of what we send is silent.
class G722 final : public Coder {
  public:
    std::size_t encode(std::span<const Sample> samples, std::span<std::uint8_t> payload) override {
        return static_cast<std::size_t>(
            g722_encode(encoder_.get(), payload.data(), samples.data(), static_cast<int>(samples.size())));
    }

    std::size_t decode(rtp::Bytes payload, std::span<Sample> samples) override {
        return static_cast<std::size_t>(
            g722_decode(decoder_.get(), samples.data(), payload.data(), static_cast<int>(payload.size())));
    }

    Coder* wide() override { return &wide_; }

  private:
    WideG722 wide_;
    Owned<g722_encode_state_t, g722_encode_free> encoder_{
        or_throw(g722_encode_init(nullptr, 64000, G722_SAMPLE_RATE_8000))};
    Owned<g722_decode_state_t, g722_decode_free> decoder_{
        or_throw(g722_decode_init(nullptr, 64000, G722_SAMPLE_RATE_8000))};
};

// RFC 3551 section 4.5.11: 16-bit samples in network byte order.
void write_l16(std::span<const Sample> samples, std::uint8_t* at) {
    for (const Sample sample : samples) rtp::write16(std::exchange(at, at + 2), static_cast<std::uint16_t>(sample));
}

std::size_t read_l16(rtp::Bytes payload, Sample* to) {
    if (payload.size() % 2 != 0) return 0;
    for (std::size_t at = 0; at < payload.size(); at += 2) *to++ = static_cast<Sample>(rtp::read16(&payload[at]));
    return payload.size() / 2;
}

class L16 final : public Coder {
  public:
    std::size_t encode(std::span<const Sample> samples, std::span<std::uint8_t> payload) override {
        write_l16(samples, payload.data());
        return 2 * samples.size();
    }

    std::size_t decode(rtp::Bytes payload, std::span<Sample> samples) override {
        return read_l16(payload, samples.data());
    }
};

// L16 at 16 kHz. What is sent is cut at the 40 ms that fit into a packet.
class L16Wide final : public Coder {
  public:
    std::size_t encode(std::span<const Sample> samples, std::span<std::uint8_t> payload) override {
        const std::size_t room = payload.size() / 2;
        const std::size_t made = up_.run(samples, std::span(wide_).first(std::min(room, wide_.size())));
        write_l16(std::span(wide_).first(made), payload.data());
        return 2 * made;
    }

    std::size_t decode(rtp::Bytes payload, std::span<Sample> samples) override {
        return down_.run(std::span(wide_).first(read_l16(payload, wide_.data())), samples);
    }

    Coder* wide() override { return &decoder_; }

  private:
    L16 decoder_;
    Resampler up_{8000, 16000}, down_{16000, 8000};
    std::array<Sample, max_samples> wide_{};
};

// libopus resamples to whatever rate it is asked for.
struct OpusEar {
    explicit OpusEar(int rate_) : rate(rate_), state(or_throw(opus_decoder_create(rate_, 1, nullptr))) {}

    std::size_t decode(rtp::Bytes payload, std::span<Sample> samples) {
        return run(payload, samples, static_cast<int>(samples.size()), false);
    }
    std::size_t recover(rtp::Bytes payload, std::span<Sample> samples) {
        const int length = opus_packet_get_nb_samples(payload.data(), static_cast<opus_int32>(payload.size()), rate);
        return length <= 0 ? 0 : run(payload, samples, length, true);
    }

  private:
    std::size_t run(rtp::Bytes payload, std::span<Sample> samples, int length, bool lost) {
        const int made = opus_decode(state.get(), payload.data(), static_cast<opus_int32>(payload.size()), samples.data(),
                                     length, lost ? 1 : 0);
        return static_cast<std::size_t>(std::max(made, 0));
    }

    const int rate;
    Owned<OpusDecoder, opus_decoder_destroy> state;
};

class WideOpus final : public WideDecoder {
  public:
    std::size_t decode(rtp::Bytes payload, std::span<Sample> samples) override { return ear_.decode(payload, samples); }
    std::size_t recover(rtp::Bytes payload, std::span<Sample> samples) override { return ear_.recover(payload, samples); }
    bool takes_late() const override { return false; }

  private:
    OpusEar ear_{16000};
};

// RFC 6716 and RFC 7587, mono. libopus resamples: both of its sides run at our 8 kHz, whatever bandwidth the far end uses.
class Opus final : public Coder {
  public:
    Opus() {
        OpusEncoder* const encoder = encoder_.get();
        opus_encoder_ctl(encoder, OPUS_SET_INBAND_FEC(1));
        opus_encoder_ctl(encoder, OPUS_SET_PACKET_LOSS_PERC(10));  // or the encoder sees no reason for FEC
        opus_encoder_ctl(encoder, OPUS_SET_SIGNAL(OPUS_SIGNAL_VOICE));
        opus_encoder_ctl(encoder, OPUS_SET_BITRATE(24000));
        opus_encoder_ctl(encoder, OPUS_SET_COMPLEXITY(5));
    }

    std::size_t encode(std::span<const Sample> samples, std::span<std::uint8_t> payload) override {
        const int size = opus_encode(encoder_.get(), samples.data(), static_cast<int>(samples.size()), payload.data(),
                                     static_cast<opus_int32>(payload.size()));
        return static_cast<std::size_t>(std::max(size, 0));
    }

    std::size_t decode(rtp::Bytes payload, std::span<Sample> samples) override { return ear_.decode(payload, samples); }
    std::size_t recover(rtp::Bytes payload, std::span<Sample> samples) override { return ear_.recover(payload, samples); }
    Coder* wide() override { return &wide_; }

    // Frames of 20, 10, 5 or 2.5 ms (RFC 6716 section 2.1.4).
    std::size_t fits(std::size_t samples) const override {
        for (const std::size_t frame : {160, 80, 40, 20})
            if (samples >= frame) return frame;
        return 0;
    }

    bool takes_late() const override { return false; }

  private:
    Owned<OpusEncoder, opus_encoder_destroy> encoder_{
        or_throw(opus_encoder_create(8000, 1, OPUS_APPLICATION_VOIP, nullptr))};
    OpusEar ear_{8000};
    WideOpus wide_;
};

}  // namespace

std::uint32_t ticks(Codec codec, rtp::Bytes payload) {
    const auto size = static_cast<std::uint32_t>(payload.size());
    if (codec == Codec::l16 || codec == Codec::l16_wide) return size / 2;
    if (codec != Codec::opus) return size;
    const int length = opus_packet_get_nb_samples(payload.data(), static_cast<opus_int32>(size), 48000);
    return length < 0 ? 0 : static_cast<std::uint32_t>(length);
}

std::unique_ptr<Coder> make_coder(Codec codec) {
    switch (codec) {
        case Codec::g722:
            return std::make_unique<G722>();
        case Codec::opus:
            return std::make_unique<Opus>();
        case Codec::l16:
            return std::make_unique<L16>();
        case Codec::l16_wide:
            return std::make_unique<L16Wide>();
        case Codec::pcmu:
        case Codec::pcma:
            break;
    }
    return std::make_unique<G711>(codec);
}

}  // namespace media
