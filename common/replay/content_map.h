// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Where each byte of a device comes from, at one point of a log: the base
// image, a place in the log, or nowhere (zeroes).
//
// A time machine has many of these at once, which differ little from each
// other.  So a map is a sorted list of leaves, each with some dozens of
// pieces, and a copy shares the leaves with its original; writing to one
// replaces the leaf it touches.  Copying and opening cost what the map holds
// divided by the size of a leaf, whatever the size of the device.

#include <cstdint>
#include <memory>
#include <vector>

namespace resilience::writelog {

/// Where a piece's bytes are.
enum class Source : std::uint8_t { base, log, zero };

/// A run of bytes with one source.
struct Piece {
    std::uint64_t offset = 0;    ///< on the device
    std::uint64_t length = 0;    ///< bytes, > 0
    Source source = Source::base;
    std::uint64_t position = 0;  ///< in the log, of the first byte; 0 unless source is log

    std::uint64_t end() const { return offset + length; }
    friend bool operator==(const Piece&, const Piece&) = default;
};

/// Copies are cheap and independent.  One object is used by one thread at a
/// time, unless all of them only read.
class ContentMap {
public:
    /// Replaces what was known of piece.offset .. piece.end().
    void put(const Piece& piece);

    /// What [offset, offset + length) consists of, in order and without gaps;
    /// the base where nothing was put.
    std::vector<Piece> pieces(std::uint64_t offset, std::uint64_t length) const;

    /// All that was put and is still visible, in order; no base in it.
    std::vector<Piece> pieces() const;

    /// How many pieces there are.
    std::size_t size() const;

private:
    struct Leaf;
    std::vector<std::shared_ptr<const Leaf>> leaves_;  ///< by offset, none empty
    std::size_t pieces_ = 0;
};

}  // namespace resilience::writelog
