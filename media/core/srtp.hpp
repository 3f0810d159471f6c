// SRTP and SRTCP (RFC 3711, RFC 7714) through libsrtp: one direction of a leg with its key.
#pragma once
#include <srtp2/srtp.h>

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mailbox.hpp"
#include "rtp.hpp"

namespace media {

inline constexpr std::size_t srtp_overhead = SRTP_MAX_TRAILER_LEN + 4;  // what protecting may add, SRTCP's index included

// Made on the control side. On the media thread it allocates once for each stream that comes in (that is libsrtp's way),
// never for what goes out. Where the keys come from does not matter here: from SDP today, and a DTLS handshake could hand
// over its own.
class Srtp {
  public:
    // `suite` as RFC 4568 names it; `key` is master key and salt; `ssrc` is that of the stream that goes out, nothing for
    // what comes in. Throws std::invalid_argument.
    Srtp(const std::string& suite, std::vector<std::uint8_t> key, std::optional<std::uint32_t> ssrc);
    ~Srtp();
    Srtp(const Srtp&) = delete;
    Srtp& operator=(const Srtp&) = delete;

    // Change the first `size` bytes of an aligned buffer that has `srtp_overhead` bytes of room behind them. Returns the
    // new size, 0 for what must not go out or come in: a wrong key, a forgery, a replay.
    std::size_t protect(std::uint8_t* packet, std::size_t size) { return run(srtp_protect, packet, size); }
    std::size_t unprotect(std::uint8_t* packet, std::size_t size) { return run(srtp_unprotect, packet, size); }
    std::size_t protect_rtcp(std::uint8_t* packet, std::size_t size) { return run(srtp_protect_rtcp, packet, size); }
    std::size_t unprotect_rtcp(std::uint8_t* packet, std::size_t size) { return run(srtp_unprotect_rtcp, packet, size); }

    // A packet of this stream has come in, and libsrtp has a state for it: keys, and which packets came before. Of a few
    // streams all are kept; where there are more, those stay that are `known`.
    void remember(std::uint32_t ssrc, std::span<const std::uint32_t> known);

    bool same_key(const Srtp& other) const { return suite_ == other.suite_ && key_ == other.key_; }

  private:
    template <typename Change>
    std::size_t run(Change change, std::uint8_t* packet, std::size_t size) {
        int length = static_cast<int>(size);
        return change(session_, packet, &length) == srtp_err_status_ok ? static_cast<std::size_t>(length) : 0;
    }

    const std::string suite_;
    std::vector<std::uint8_t> key_;
    srtp_t session_ = nullptr;
    std::array<std::uint32_t, 8> streams_{};  // more than are ever known
    std::size_t remembered_ = 0;
};

// Both directions of a leg; none for plain RTP.
struct Security : Parcel {
    std::unique_ptr<Srtp> send, receive;
};

}  // namespace media
