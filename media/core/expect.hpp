// What the next packets will touch, fetched into the cache while there is still something else to do.
#pragma once
#include "leg.hpp"

namespace media {

inline constexpr std::size_t expected_together = 16;  // what so many touch fits into a cache, with what the kernel touches

// Packets of these legs come next, at most `expected_together`. Where one thing is stands in another, so this goes step by
// step, and each step for all of them: waiting for one is then waiting for all.
void expect(std::span<Leg* const> legs);

}  // namespace media
