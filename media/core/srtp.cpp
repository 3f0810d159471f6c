#include "srtp.hpp"

#include <arpa/inet.h>
#include <string.h>

#include <algorithm>
#include <array>
#include <stdexcept>

namespace media {

namespace {

struct Suite {
    const char* name;
    std::size_t key_size;  // master key and salt
    void (*rtp)(srtp_crypto_policy_t*);
    void (*rtcp)(srtp_crypto_policy_t*);
};

// RFC 4568 section 6.2: the short tag is for RTP alone; RFC 7714 section 14.2.
constexpr std::array<Suite, 4> suites{{
    {"AES_CM_128_HMAC_SHA1_80", 30, srtp_crypto_policy_set_rtp_default, srtp_crypto_policy_set_rtcp_default},
    {"AES_CM_128_HMAC_SHA1_32", 30, srtp_crypto_policy_set_aes_cm_128_hmac_sha1_32, srtp_crypto_policy_set_rtcp_default},
    {"AEAD_AES_128_GCM", 28, srtp_crypto_policy_set_aes_gcm_128_16_auth, srtp_crypto_policy_set_aes_gcm_128_16_auth},
    {"AEAD_AES_256_GCM", 44, srtp_crypto_policy_set_aes_gcm_256_16_auth, srtp_crypto_policy_set_aes_gcm_256_16_auth},
}};

const Suite& find_suite(const std::string& name) {
    for (const Suite& suite : suites)
        if (name == suite.name) return suite;
    throw std::invalid_argument("SRTP suite '" + name + "' is unknown");
}

constexpr unsigned long replay_window = 1024;

}  // namespace

Srtp::Srtp(const std::string& suite, std::vector<std::uint8_t> key, std::optional<std::uint32_t> ssrc)
    : suite_(suite), key_(std::move(key)) {
    static const srtp_err_status_t started = srtp_init();
    const Suite& wanted = find_suite(suite);
    if (key_.size() != wanted.key_size)
        throw std::invalid_argument(suite + " needs a key and salt of " + std::to_string(wanted.key_size) + " bytes");
    srtp_policy_t policy{};
    wanted.rtp(&policy.rtp);
    wanted.rtcp(&policy.rtcp);
    policy.ssrc.type = ssrc ? ssrc_specific : ssrc_any_inbound;
    policy.ssrc.value = ssrc.value_or(0);
    policy.key = key_.data();
    policy.window_size = replay_window;
    if (started != srtp_err_status_ok || srtp_create(&session_, &policy) != srtp_err_status_ok)
        throw std::invalid_argument("this libsrtp cannot do " + suite);
}

Srtp::~Srtp() {
    srtp_dealloc(session_);
    explicit_bzero(key_.data(), key_.size());
}

void Srtp::remember(std::uint32_t ssrc, std::span<const std::uint32_t> known) {
    const auto here = streams_.begin(), end = here + static_cast<std::ptrdiff_t>(remembered_);
    if (std::find(here, end, ssrc) != end) return;
    if (remembered_ == streams_.size()) {
        const auto forgotten = [&](std::uint32_t stream) {
            if (std::find(known.begin(), known.end(), stream) != known.end()) return false;
            srtp_remove_stream(session_, htonl(stream));
            return true;
        };
        remembered_ = static_cast<std::size_t>(std::remove_if(here, end, forgotten) - here);
    }
    streams_[remembered_++] = ssrc;
}

}  // namespace media
