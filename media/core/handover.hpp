// Nodes on their way from one media thread to another, with everything that hangs on them.
#pragma once
#include <algorithm>
#include <atomic>
#include <functional>
#include <vector>

#include "node.hpp"

namespace media {

// Made on the control side; the thread that the nodes leave fills in the rest and then sets `away`. From there on they
// belong to the thread that they go to: whatever the one did to them happens before whatever the other does.
struct Handover {
    Handover(std::vector<Node*> nodes_, int to_) : nodes(std::move(nodes_)), to(to_) {
        std::sort(nodes.begin(), nodes.end(), std::less<>());
    }
    bool includes(const Node& node) const { return std::binary_search(nodes.begin(), nodes.end(), &node, std::less<>()); }

    std::vector<Node*> nodes;  // with both sides of each recorder; sorted
    const int to;              // the thread's number
    Nanos now = 0;             // when they left
    std::int64_t slot = 0;     // the last millisecond whose ticks they have had
    std::atomic<bool> away{false};
};

}  // namespace media
