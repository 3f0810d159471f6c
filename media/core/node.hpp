// A node hears, sounds, or both; a cell of the gains table joins one that hears to one that sounds.
#pragma once
#include "mailbox.hpp"
#include "prefetch.hpp"
#include "samples.hpp"

namespace media {

struct Node;

// One gain that is not zero, or fades out to it. It stands in the listener's row and in the source's column.
struct alignas(cache_line) Cell : Parcel {
    Cell(Node& listener_, Node& source_, Gain gain_) : listener(listener_), source(source_), gain(gain_), from(gain_) {}
    Node& listener;
    Node& source;
    Gain gain;
    Gain from;  // where the last frame of a mix, or packet of a recording, left off: the next goes from there to `gain`
    Nanos since = 0;  // when the gain was set
    Cell* next_in_row = nullptr;
    Cell* next_in_column = nullptr;
};
static_assert(sizeof(Cell) == cache_line);

enum class Kind { leg, player, side, tap };

struct Node : Parcel {
    Node(int id_, Kind kind_) : id(id_), kind(kind_) {}
    bool hears() const { return kind != Kind::player; }
    bool sounds() const { return kind == Kind::leg || kind == Kind::player; }

    const int id;
    const Kind kind;

    // The media thread's own.
    Cell* row = nullptr;     // whom I hear
    Cell* column = nullptr;  // who hears me
    int group = -1;          // the tick group that I am linked into, or -1
    Node* next_ticking = nullptr;
    Node* previous_ticking = nullptr;
    Frame frame{};             // what I sound, as a source: the frame of the tick `framed_at`
    Nanos framed_at = -frame_time;
    bool framed = false;       // the frame holds something

    // Who walks along the table of gains touches it.
    void prefetch() const { media::prefetch(this, &frame); }

    // The frame is taken once by each listener, in the same tick or less than one frame later.
    bool audible_at(Nanos now) const { return framed && now - framed_at < frame_time; }
};

}  // namespace media
