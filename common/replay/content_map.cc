// SPDX-License-Identifier: BSD-3-Clause
#include "common/replay/content_map.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace resilience::writelog {
namespace {

// A leaf has at most so many pieces; a fuller one is split in halves.
constexpr std::size_t leaf_limit = 64;

/// The part of `piece` in [begin, end), which is not empty.
Piece part(const Piece& piece, std::uint64_t begin, std::uint64_t end)
{
    Piece cut = piece;
    cut.offset = std::max(piece.offset, begin);
    cut.length = std::min(piece.end(), end) - cut.offset;
    if (piece.source == Source::log) {
        cut.position += cut.offset - piece.offset;
    }
    return cut;
}

/// Whether `second` goes on where `first` ends, on the device and in its source.
bool continues(const Piece& first, const Piece& second)
{
    return first.end() == second.offset && first.source == second.source &&
           (first.source != Source::log || first.position + first.length == second.position);
}

void append(std::vector<Piece>& pieces, const Piece& piece)
{
    if (!pieces.empty() && continues(pieces.back(), piece)) {
        pieces.back().length += piece.length;
    } else {
        pieces.push_back(piece);
    }
}

}  // namespace

struct ContentMap::Leaf {
    std::vector<Piece> pieces;  // sorted, not overlapping, never empty

    std::uint64_t begin() const { return pieces.front().offset; }
    std::uint64_t end() const { return pieces.back().end(); }
};

void ContentMap::put(const Piece& piece)
{
    if (piece.length == 0) {
        return;
    }
    // The leaves that it touches, its neighbours included, so that pieces that
    // continue each other become one.
    auto first = std::partition_point(leaves_.begin(), leaves_.end(), [&](const auto& leaf) {
        return leaf->end() < piece.offset;
    });
    auto last = std::partition_point(first, leaves_.end(), [&](const auto& leaf) {
        return leaf->begin() <= piece.end();
    });
    if (first == last && first != leaves_.begin()) {
        --first;  // into a gap: the leaf before takes it
    } else if (first == last && last != leaves_.end()) {
        ++last;  // before all of them
    }
    std::vector<Piece> merged;
    bool done = piece.source == Source::base;  // what comes from the base is not kept
    for (auto leaf = first; leaf != last; ++leaf) {
        pieces_ -= (*leaf)->pieces.size();
        for (const Piece& old : (*leaf)->pieces) {
            if (old.offset < piece.offset) {
                append(merged, part(old, 0, piece.offset));
            }
            if (!done && old.end() > piece.offset) {
                append(merged, piece);
                done = true;
            }
            if (old.end() > piece.end()) {
                append(merged, part(old, piece.end(), old.end()));
            }
        }
    }
    if (!done) {
        append(merged, piece);
    }
    pieces_ += merged.size();

    std::vector<std::shared_ptr<const Leaf>> fresh;
    const std::size_t count = (merged.size() + leaf_limit - 1) / leaf_limit;
    for (std::size_t i = 0; i < count; i++) {
        auto leaf = std::make_shared<Leaf>();
        leaf->pieces.assign(merged.begin() + static_cast<std::ptrdiff_t>(i * merged.size() / count),
                            merged.begin() +
                                static_cast<std::ptrdiff_t>((i + 1) * merged.size() / count));
        fresh.push_back(std::move(leaf));
    }
    const auto replaced = std::min<std::ptrdiff_t>(last - first, std::ssize(fresh));
    const auto rest = std::move(fresh.begin(), fresh.begin() + replaced, first);
    if (replaced < last - first) {
        leaves_.erase(rest, last);
    } else {
        leaves_.insert(rest, std::make_move_iterator(fresh.begin() + replaced),
                       std::make_move_iterator(fresh.end()));
    }
}

std::vector<Piece> ContentMap::pieces(std::uint64_t offset, std::uint64_t length) const
{
    std::vector<Piece> result;
    const std::uint64_t end = offset + length;
    std::uint64_t at = offset;
    auto leaf = std::partition_point(leaves_.begin(), leaves_.end(), [&](const auto& each) {
        return each->end() <= offset;
    });
    for (; leaf != leaves_.end() && (*leaf)->begin() < end; ++leaf) {
        const auto& all = (*leaf)->pieces;
        auto piece = std::partition_point(all.begin(), all.end(), [&](const Piece& each) {
            return each.end() <= offset;
        });
        for (; piece != all.end() && piece->offset < end; ++piece) {
            if (piece->offset > at) {
                result.push_back({at, piece->offset - at, Source::base, 0});
            }
            append(result, part(*piece, offset, end));
            at = std::min(piece->end(), end);
        }
    }
    if (at < end) {
        result.push_back({at, end - at, Source::base, 0});
    }
    return result;
}

std::vector<Piece> ContentMap::pieces() const
{
    std::vector<Piece> result;
    result.reserve(pieces_);
    for (const auto& leaf : leaves_) {
        for (const Piece& piece : leaf->pieces) {
            append(result, piece);
        }
    }
    return result;
}

std::size_t ContentMap::size() const { return pieces_; }

}  // namespace resilience::writelog
