// Which media thread each node lives on. The control side's; the media threads know nothing of one another's nodes.
#pragma once
#include <optional>
#include <unordered_map>
#include <vector>

#include "node.hpp"

namespace media {

// Everybody who is joined by the gains table, directly or through others, lives on one thread. A new node begins where
// the fewest legs are, and moves when it is joined to nodes elsewhere.
class Homes {
  public:
    struct Move {
        std::vector<Node*> nodes;
        int from, to;
    };

    explicit Homes(int threads) : legs_(static_cast<std::size_t>(threads)) {}

    void open(Node& node);
    void open(Node& left, Node& right);  // the sides of a recorder never part
    void close(const Node& node);
    int of(const Node& node) const { return residents_.at(node.id).home; }

    // The listener will hear the source, or will no longer. What has to move before that, if anything.
    std::optional<Move> join(const Node& listener, const Node& source, bool heard, Nanos now);

  private:
    enum Cells : unsigned { none = 0, one_way = 1, other_way = 2, one_recorder = 4 };

    // Why two nodes belong together; what has been `loosened` may still fade out.
    struct Tie {
        unsigned cells = none;
        Nanos loosened = 0;
        bool holds(Nanos now) const { return cells != none || now - loosened < fading; }
    };
    struct Resident {
        Node* node;
        int home;
        std::unordered_map<int, Tie> ties;
    };

    static constexpr Nanos fading = 100 * millisecond;  // the next tick is at most 20 ms away; threads may be late

    Resident& add(Node& node, int home);
    void tie(int one, int other, unsigned cells, bool held, Nanos now);
    std::vector<Node*> joined(const Node& node, Nanos now);
    Move moved(std::vector<Node*> nodes, int from, int to);

    std::unordered_map<int, Resident> residents_;
    std::vector<int> legs_;  // on each thread
};

}  // namespace media
