#include "parts.hpp"

#include <nanobind/stl/array.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include "leg.hpp"
#include "resample.hpp"
#include "rounds.hpp"

namespace media {

using namespace nb::literals;

namespace {

// One coder by itself.
class BareCoder {
  public:
    BareCoder(int codec, bool wide)
        : coder_(make_coder(known(codec) ? static_cast<Codec>(codec) : throw std::invalid_argument("unknown codec"))),
          ear_(wide ? coder_->wide() : coder_.get()) {
        if (ear_ == nullptr) throw std::invalid_argument("there is nothing above 4 kHz in this codec");
    }

    nb::bytes encode(const nb::bytes& pcm) {
        std::array<std::uint8_t, rtp::max_payload> payload;
        const std::vector<Sample> samples = samples_of(pcm);
        if (samples.size() > max_packet_samples) throw std::invalid_argument("a packet holds at most 60 ms");
        return bytes_of(payload, coder_->encode(samples, payload));
    }
    nb::bytes decode(const nb::bytes& payload) {
        std::array<Sample, 2 * max_samples> samples;
        return bytes_of(samples, ear_->decode(checked(payload), samples));
    }
    nb::bytes recover(const nb::bytes& payload) {
        std::array<Sample, 2 * max_samples> samples;
        return bytes_of(samples, ear_->recover(checked(payload), samples));
    }
    bool takes_late() const { return coder_->takes_late(); }
    std::size_t fits(std::size_t samples) const { return coder_->fits(samples); }

    static rtp::Bytes checked(const nb::bytes& payload) {
        if (payload.size() > rtp::max_payload) throw std::invalid_argument("a payload has at most 1440 bytes");
        return {reinterpret_cast<const std::uint8_t*>(payload.c_str()), payload.size()};
    }

  private:
    std::unique_ptr<Coder> coder_;
    Coder* ear_;  // what decodes
};

std::string hear_tones(ToneDigits& tones, std::uint32_t timestamp, bool lost_before, const nb::bytes& pcm) {
    std::string keys;
    tones.hear(timestamp, lost_before, samples_of(pcm), [&keys](char key) { keys += key; });
    return keys;
}

// One direction of SRTP by itself; what is refused is None.
class BareSrtp {
  public:
    BareSrtp(const std::string& suite, const nb::bytes& key, std::optional<std::uint32_t> ssrc)
        : srtp_(suite, octets_of(key), ssrc) {}

    nb::object protect(const nb::bytes& packet) { return run(&Srtp::protect, packet, rtp::max_packet); }
    nb::object unprotect(const nb::bytes& packet) { return run(&Srtp::unprotect, packet, room); }
    nb::object protect_rtcp(const nb::bytes& packet) { return run(&Srtp::protect_rtcp, packet, rtp::max_packet); }
    nb::object unprotect_rtcp(const nb::bytes& packet) { return run(&Srtp::unprotect_rtcp, packet, room); }
    void remember(std::uint32_t ssrc, std::array<std::uint32_t, 3> known) { srtp_.remember(ssrc, known); }

  private:
    static constexpr std::size_t room = rtp::max_packet + srtp_overhead;

    nb::object run(std::size_t (Srtp::*change)(std::uint8_t*, std::size_t), const nb::bytes& packet, std::size_t longest) {
        alignas(8) std::array<std::uint8_t, room> buffer;
        if (packet.size() > longest) return nb::none();
        std::memcpy(buffer.data(), packet.c_str(), packet.size());
        const std::size_t size = (srtp_.*change)(buffer.data(), packet.size());
        return size == 0 ? nb::object(nb::none()) : nb::object(bytes_of(buffer, size));
    }

    Srtp srtp_;
};

}  // namespace

void bind_parts(nb::module_& module) {
    nb::class_<BareCoder>(module, "Coder")
        .def(nb::init<int, bool>(), "codec"_a, "wide"_a = false)
        .def("encode", &BareCoder::encode, "pcm"_a)
        .def("decode", &BareCoder::decode, "payload"_a)
        .def("recover", &BareCoder::recover, "payload"_a)
        .def("takes_late", &BareCoder::takes_late)
        .def("fits", &BareCoder::fits, "samples"_a);
    nb::class_<ToneDigits>(module, "ToneDigits")
        .def(nb::init<>())
        .def("hear", &hear_tones, "timestamp"_a, "lost_before"_a, "pcm"_a);
    nb::class_<Resampler>(module, "Resampler")
        .def(nb::init<unsigned, unsigned>(), "from_rate"_a, "to_rate"_a)
        .def("run", [](Resampler& resampler, const nb::bytes& pcm) {
            const std::vector<Sample> samples = samples_of(pcm);
            std::vector<Sample> made(2 * samples.size() + 16);
            return bytes_of(made, resampler.run(samples, made));
        }, "pcm"_a);
    nb::class_<ToneMask>(module, "ToneMask")
        .def(nb::init<>())
        .def_ro_static("ahead", &ToneMask::ahead)
        .def("hear", [](ToneMask& mask, const nb::bytes& pcm) {
            Frame frame{};
            const std::vector<Sample> samples = samples_of(pcm);
            if (samples.size() != frame.size()) throw std::invalid_argument("a frame has 160 samples");
            std::copy(samples.begin(), samples.end(), frame.begin());
            mask.hear(frame);
        }, "frame"_a)
        .def("gain", &ToneMask::gain, "at"_a);
    nb::class_<Rounds>(module, "Rounds")
        .def(nb::init<>())
        .def_ro_static("shortest", &Rounds::shortest)
        .def_ro_static("longest", &Rounds::longest)
        .def("rest", &Rounds::rest, "woke"_a, "done"_a);
    module.def("ticks", [](int codec, const nb::bytes& payload) {
        return ticks(static_cast<Codec>(codec), BareCoder::checked(payload));
    }, "codec"_a, "payload"_a);
    nb::class_<BareSrtp>(module, "Srtp")
        .def(nb::init<const std::string&, const nb::bytes&, std::optional<std::uint32_t>>(), "suite"_a, "key"_a,
             "ssrc"_a.none() = nb::none())
        .def("protect", &BareSrtp::protect, "packet"_a)
        .def("unprotect", &BareSrtp::unprotect, "packet"_a)
        .def("protect_rtcp", &BareSrtp::protect_rtcp, "packet"_a)
        .def("unprotect_rtcp", &BareSrtp::unprotect_rtcp, "packet"_a)
        .def("remember", &BareSrtp::remember, "ssrc"_a, "known"_a);
}

}  // namespace media
