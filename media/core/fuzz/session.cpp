// Packets and commands in any order, to four legs with a recorder, a tap and a player. tests/media/test_fuzz_corpus.py
// reads the same bytes in the same way, and holds both engines against each other.
#include <stdexcept>

#include "quiet.hpp"

using namespace media;

namespace {

constexpr std::array codecs{0, 8, 9, 96, 97, 98};
constexpr std::array lengths{10, 20, 40};
constexpr std::array gains{0.0, 0.5, 1.0, 2.0};

struct Session {
    Session() {
        for (std::uint32_t n = 0; n < 4; ++n) {
            legs[n] = room.add_leg({0x1000 + n, 65'530, 0xFFFFFF00}).id;
            room.set_remote(legs[n], "127.0.0.1", 30'000 + static_cast<int>(n));
            room.set_codec(legs[n], codecs[n], codecs[n], n == 3 ? -1 : 101, 8000, 20, false);
        }
        recorder = room.add_recorder().left.id;
        tap = room.add_tap(20).id;
        player = room.open_player();
        for (const auto& [hears, sounds] : {std::pair{0, 1}, {1, 0}, {2, 3}, {3, 2}})
            room.set_gain(legs[static_cast<std::size_t>(hears)], legs[static_cast<std::size_t>(sounds)], 1);
        room.set_gain(recorder, legs[0], 1);
        room.set_gain(tap, legs[2], 1);
        room.set_gain(legs[1], player, 1);
    }

    void step(fuzz::Reader& input) {
        const int what = input.byte();
        const auto n = static_cast<std::size_t>(what & 3);
        const int leg = legs[n], more = (what >> 2 & 7) < 4 ? 0 : input.byte();
        switch (what >> 2 & 7) {
            case 4:
                return room.pass(more * millisecond);
            case 5: {
                const int codec = codecs[static_cast<std::size_t>(more & 7) % codecs.size()];
                const int ms = lengths[static_cast<std::size_t>(more >> 3 & 7) % lengths.size()];
                return room.set_codec(leg, codec, codec, more & 0x40 ? -1 : 101, 8000, ms, (more & 0x80) != 0);
            }
            case 6:
                return room.set_gain(leg, legs[static_cast<std::size_t>(more & 3)],
                                     gains[static_cast<std::size_t>(more >> 2 & 3)]);
            case 7:
                if (more & 0x10) return room.play(player, std::vector<Sample>(400, Sample(more * 100)), false);
                if (more & 0x20) return room.set_srtp(leg, more & 1 ? "AES_CM_128_HMAC_SHA1_80" : "", key, key);
                return room.send_digit(leg, std::string(1, keys[static_cast<std::size_t>(more & 15)]), 100);
            default:
                return room.packet(leg, input.bytes(static_cast<std::size_t>(input.word() % 1500)),
                                   {Ip::v4({127, 0, 0, 1}), static_cast<std::uint16_t>(30'000 + n)});
        }
    }

    fuzz::QuietSwitch room;
    std::array<int, 4> legs{};
    int recorder, tap, player;
    const std::vector<std::uint8_t> key = std::vector<std::uint8_t>(30, 7);
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Session session;
    fuzz::Reader input(data, size);
    while (!input.done()) {
        try {
            session.step(input);
        } catch (const std::invalid_argument&) {  // a refused command changes nothing
        }
    }
    return 0;
}
