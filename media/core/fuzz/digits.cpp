// Telephone-events as they may come (RFC 4733): whatever the packets say, a key is a key.
#include <cstdlib>

#include "../digits.hpp"
#include "quiet.hpp"

using namespace media;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    DigitReceiver receiver;
    DigitSender sender;
    fuzz::Reader input(data, size);
    while (!input.done()) {
        const auto ssrc = static_cast<std::uint32_t>(input.byte() & 1);
        const std::uint32_t timestamp = static_cast<std::uint32_t>(input.word()) << 16 | static_cast<std::uint32_t>(input.word());
        const rtp::Bytes payload = input.bytes(event_size);
        if (payload.size() < event_size) break;
        const TelephoneEvent event = read_event(payload);
        const auto key = receiver.receive(ssrc, timestamp, event);
        if (key && keys.find(*key) == std::string_view::npos) std::abort();
        if (key && receiver.receive(ssrc, timestamp, event)) std::abort();  // the same packet twice is one key
        if (key) sender.queue(event.code, event.duration);
        for (int ticks = payload[1] & 0x3F; ticks > 0 && sender.busy(); --ticks) {
            const auto step = sender.step();
            if (step && step->event.code > 15) std::abort();
        }
    }
    return 0;
}
