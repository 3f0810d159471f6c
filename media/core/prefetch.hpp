// Asking for memory before it is needed. With hundreds of calls nothing that a packet touches is in a near cache any more,
// and waiting for it line by line is most of what the media core itself spends on a packet.
#pragma once
#include <cstddef>

namespace media {

inline constexpr std::size_t cache_line = 64;

// Hints only: they read nothing, and may name what is not there.
inline void prefetch(const void* from, const void* until) {
    for (auto at = static_cast<const char*>(from); at < until; at += cache_line) __builtin_prefetch(at, 1);
}

inline void prefetch(const void* from, std::size_t size) { prefetch(from, static_cast<const char*>(from) + size); }

}  // namespace media
