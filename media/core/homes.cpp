#include "homes.hpp"

#include <algorithm>
#include <unordered_set>

namespace media {

namespace {

int legs_among(const std::vector<Node*>& nodes) {
    return static_cast<int>(std::count_if(nodes.begin(), nodes.end(), [](Node* node) { return node->kind == Kind::leg; }));
}

}  // namespace

Homes::Resident& Homes::add(Node& node, int home) {
    if (node.kind == Kind::leg) ++legs_[static_cast<std::size_t>(home)];
    return residents_[node.id] = Resident{&node, home, {}};
}

void Homes::open(Node& node) {
    add(node, static_cast<int>(std::min_element(legs_.begin(), legs_.end()) - legs_.begin()));
}

void Homes::open(Node& left, Node& right) {
    open(left);
    add(right, of(left));
    tie(left.id, right.id, one_recorder, true, 0);
}

void Homes::close(const Node& node) {
    const Resident& leaving = residents_.at(node.id);
    if (node.kind == Kind::leg) --legs_[static_cast<std::size_t>(leaving.home)];
    for (const auto& [other, tie] : leaving.ties)
        if (const auto found = residents_.find(other); found != residents_.end()) found->second.ties.erase(node.id);
    residents_.erase(node.id);
}

std::optional<Homes::Move> Homes::join(const Node& listener, const Node& source, bool heard, Nanos now) {
    if (legs_.size() == 1 || &listener == &source) return std::nullopt;
    const int hears = of(listener), sounds = of(source);
    if (hears != sounds && !heard) return std::nullopt;  // they have nothing to do with each other
    std::optional<Move> move;
    if (hears != sounds) {
        std::vector<Node*> here = joined(listener, now), there = joined(source, now);
        const int more = legs_among(here) - legs_among(there);
        const bool less_load = legs_[static_cast<std::size_t>(sounds)] < legs_[static_cast<std::size_t>(hears)];
        // The fewer go to the more; as many, to where there is less to do.
        if (more < 0 || (more == 0 && less_load)) move = moved(std::move(here), hears, sounds);
        else move = moved(std::move(there), sounds, hears);
    }
    tie(listener.id, source.id, listener.id < source.id ? one_way : other_way, heard, now);
    return move;
}

void Homes::tie(int one, int other, unsigned cells, bool held, Nanos now) {
    for (const auto& [from, to] : {std::pair{one, other}, {other, one}}) {
        auto& ties = residents_.at(from).ties;
        const auto found = ties.find(to);
        if (found == ties.end() && !held) continue;
        Tie& tie = found == ties.end() ? ties[to] : found->second;
        tie.cells = held ? tie.cells | cells : tie.cells & ~cells;
        tie.loosened = now;
    }
}

// The node and everybody who must be where it is. Ties that hold no more are forgotten on the way.
std::vector<Node*> Homes::joined(const Node& node, Nanos now) {
    std::vector<Node*> found{residents_.at(node.id).node};
    std::unordered_set<int> seen{node.id};
    for (std::size_t next = 0; next < found.size(); ++next) {
        auto& ties = residents_.at(found[next]->id).ties;
        std::erase_if(ties, [&](const auto& tie) { return !tie.second.holds(now); });
        for (const auto& [other, tie] : ties)
            if (seen.insert(other).second) found.push_back(residents_.at(other).node);
    }
    return found;
}

Homes::Move Homes::moved(std::vector<Node*> nodes, int from, int to) {
    for (const Node* node : nodes) residents_.at(node->id).home = to;
    const int legs = legs_among(nodes);
    legs_[static_cast<std::size_t>(from)] -= legs;
    legs_[static_cast<std::size_t>(to)] += legs;
    return {std::move(nodes), from, to};
}

}  // namespace media
