// Compound RTCP packets as they may come, between packets of audio and the reports of ours that they change.
// tests/media/test_fuzz_corpus.py reads the same bytes in the same way, and holds both engines against each other.
#include <cstdlib>

#include "quiet.hpp"

using namespace media;

namespace {

constexpr std::uint32_t our_ssrc = 0x1000, their_ssrc = 77;
constexpr Ip here = Ip::v4({127, 0, 0, 1});
constexpr Address audio{here, 30'000}, beside{here, 30'001};

struct Line {
    Line() {
        leg = room.add_leg({our_ssrc, 65'530, 0xFFFFFF00}).id;
        room.set_remote(leg, "127.0.0.1", audio.port);
        room.set_gain(leg, leg, 1);  // an echo: it sends what it gets
    }

    void step(fuzz::Reader& input) {
        const int what = input.byte(), more = input.byte();
        switch (what & 3) {
            case 0:
                return room.pass(more * 16 * millisecond);
            case 1:  // anything
                return room.report(leg, input.bytes(static_cast<std::size_t>(more)), beside);
            case 2:  // a report that is well formed, about us, with numbers of the fuzzer's
                return well_formed(input, (what & 4) != 0);
            default:
                if (what & 8) return room.set_remote(leg, "127.0.0.1", audio.port, (what & 4) != 0);
                return say(static_cast<std::uint16_t>(more << (what >> 4 & 7)));
        }
    }

    void well_formed(fuzz::Reader& input, bool sender) {
        std::array<std::uint8_t, 52> bytes{};
        const std::size_t size = sender ? 52 : 32, block = size - rtcp::block_size;
        bytes[0] = 0x81;
        bytes[1] = sender ? rtcp::sender_report : rtcp::receiver_report;
        rtp::write16(&bytes[2], static_cast<std::uint16_t>(size / 4 - 1));
        rtp::write32(&bytes[4], their_ssrc);
        for (std::size_t at = 8; at < size; ++at) bytes[at] = static_cast<std::uint8_t>(input.byte());
        rtp::write32(&bytes[block], our_ssrc);
        room.report(leg, rtp::Bytes(bytes).first(size), beside);
    }

    void say(std::uint16_t sequence) {
        std::array<std::uint8_t, 172> bytes{};
        rtp::write_header(bytes.data(), {false, 8, sequence, sequence * 160u, their_ssrc});
        room.packet(leg, bytes, audio);
    }

    fuzz::QuietSwitch room;
    int leg;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Line line;
    fuzz::Reader input(data, size);
    while (!input.done()) line.step(input);
    const LegReport told = line.room.stats(line.leg);
    if (told.far.lost < 0 || told.far.lost > told.far.expected || told.far.heard > told.far.received) std::abort();
    return 0;
}
