// Who hears whom: the gains table as rows and columns of cells, and the questions that the switch asks of it.
#pragma once
#include "leg.hpp"
#include "player.hpp"

namespace media::gains {

inline Cell* find(const Node& listener, const Node& source) {
    for (Cell* cell = listener.row; cell != nullptr; cell = cell->next_in_row)
        if (&cell->source == &source) return cell;
    return nullptr;
}

inline void link(Cell& cell) {
    cell.next_in_row = cell.listener.row;
    cell.listener.row = &cell;
    cell.next_in_column = cell.source.column;
    cell.source.column = &cell;
}

inline void unlink(Cell& cell) {
    Cell** at = &cell.listener.row;
    while (*at != &cell) at = &(*at)->next_in_row;
    *at = cell.next_in_row;
    at = &cell.source.column;
    while (*at != &cell) at = &(*at)->next_in_column;
    *at = cell.next_in_column;
}

// An idle player is as good as absent.
inline bool sounding(const Node& source) {
    return source.kind == Kind::leg || static_cast<const Player&>(source).sounding();
}

// Can what arrives from the source be handed on without a mix? A tap takes samples; a leg takes only its own codec.
inline bool passable(const Node& source, const Node& listener) {
    if (source.kind != Kind::leg || listener.kind != Kind::leg) return source.kind == Kind::leg;
    return relayable(static_cast<const Leg&>(source).format.codec, static_cast<const Leg&>(listener).format.codec);
}

struct Feed {
    int sources = 0;
    Leg* direct = nullptr;  // the only source, where what it says can be passed on as it arrives
};

inline Feed feed(const Node& listener) {
    Feed found;
    for (const Cell* cell = listener.row; cell != nullptr; cell = cell->next_in_row) {
        if (!sounding(cell->source)) continue;
        ++found.sources;
        const bool whole = cell->gain == unity || listener.kind == Kind::tap;
        found.direct = whole && passable(cell->source, listener) ? &static_cast<Leg&>(cell->source) : nullptr;
    }
    if (found.sources != 1) found.direct = nullptr;
    return found;
}

// Does this leg or tap need a frame made for it every 20 ms?
inline bool mixes(const Node& listener) {
    if (listener.kind != Kind::leg && listener.kind != Kind::tap) return false;
    const Feed found = feed(listener);
    return found.sources > 0 && found.direct == nullptr;
}

// Is this source part of anybody's mix?
inline bool mixed(const Node& source) {
    for (const Cell* cell = source.column; cell != nullptr; cell = cell->next_in_column)
        if (mixes(cell->listener)) return true;
    return false;
}

// Is what it plays sent to anybody? A recording hears it too, and so does a leg whose far end nobody knows yet.
inline bool reaches(const Player& player) {
    for (const Cell* cell = player.column; cell != nullptr; cell = cell->next_in_column)
        if (cell->listener.kind == Kind::leg && cell->gain != 0 && as_leg(cell->listener).origin.known()) return true;
    return false;
}

}  // namespace media::gains
