// Packets and reports that claim to be protected: almost all of them lie.
#include "../srtp.hpp"
#include "quiet.hpp"

using namespace media;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::Reader input(data, size);
    const bool gcm = input.byte() & 1;
    const std::string suite = gcm ? "AEAD_AES_128_GCM" : "AES_CM_128_HMAC_SHA1_32";
    const std::vector<std::uint8_t> key(gcm ? 28 : 30, 7);
    Srtp send(suite, key, 0x1000), receive(suite, key, std::nullopt);
    alignas(8) std::array<std::uint8_t, rtp::max_packet + srtp_overhead> buffer;
    while (!input.done()) {
        const int how = input.byte();
        const rtp::Bytes packet = input.bytes(static_cast<std::size_t>(input.word()) % (rtp::max_packet + 1));
        std::copy(packet.begin(), packet.end(), buffer.begin());
        std::size_t length = packet.size();
        if (how & 1) length = how & 2 ? send.protect_rtcp(buffer.data(), length) : send.protect(buffer.data(), length);
        if (length > 0) how & 2 ? receive.unprotect_rtcp(buffer.data(), length) : receive.unprotect(buffer.data(), length);
    }
    return 0;
}
