// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Is this the disk that we left?
//
// A disk that is a file or an NBD export has no name of its own that could be trusted,
// so what is remembered of it is a sample of its content: digests of up to 256 places of
// 4 KiB.  Half of them are spread over the device, from its first block to its last (an
// empty disk, or another one, differs there).  Half are those that were written most
// recently (a copy of last week differs there).
//
// The rule for what is found at a place:
//
//   another content than was left there     it is not the disk; one place is enough
//   the same, and not zeroes                 a proof that it is
//   zeroes, and zeroes were left there       nothing: an empty disk has them, too, and so
//                                            has a disk that is rightly empty there
//   nothing (it cannot be read)              nothing
//
// So an empty disk in the place of one of which only zeroes are known is not accused, and
// nothing is proven of it.  Where there is neither a difference nor a proof the witness is
// silent, and who asks has to decide without it.
//
// When a place may be compared, and when its digest has to be taken anew, is the affair of
// who keeps the witness: only what has been equal and durable on all disks counts.
//
// No I/O here.  Not thread-safe.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "common/core/dirty_bitmap.h"

namespace resilience {

constexpr std::uint64_t witness_block = 4096;  ///< bytes of a place; places begin at multiples
constexpr std::size_t most_spread = 128;       ///< places that are spread over the device
constexpr std::size_t most_recent = 128;       ///< places that were written last

using ContentDigest = std::array<std::byte, 16>;

/// Of a place, witness_block bytes.
ContentDigest digest_of(std::span<const std::byte> content);

struct WitnessPlace {
    std::uint64_t offset = 0;  ///< bytes; a multiple of witness_block
    ContentDigest digest{};    ///< of what was left there

    ByteRange range() const { return {offset, offset + witness_block}; }
    friend bool operator==(const WitnessPlace&, const WitnessPlace&) = default;
};

/// Where the spread places of a device of `size` bytes are, ascending.  Only whole blocks:
/// a device that is smaller has none.
std::vector<std::uint64_t> spread_offsets(std::uint64_t size);

/// What is remembered.
struct ContentWitness {
    std::vector<WitnessPlace> spread;  ///< those that are known, in any order
    std::vector<WitnessPlace> recent;  ///< the oldest first

    /// All that is known.
    std::vector<WitnessPlace> places() const;
    /// This is what is at `offset` now, and nothing of before counts there.  `size` is the
    /// device's.
    void note(std::uint64_t size, std::uint64_t offset, const ContentDigest& digest);
    /// Nothing is known of what `range` touches.
    void forget(ByteRange range);
    /// The places that are known in `range`, and the spread ones that are to be.
    std::vector<std::uint64_t> offsets_in(std::uint64_t size, ByteRange range) const;

    friend bool operator==(const ContentWitness&, const ContentWitness&) = default;
};

/// What a comparison has found.
struct WitnessFindings {
    std::size_t compared = 0;
    std::size_t proofs = 0;               ///< places that are as they were left, and no zeroes
    std::vector<WitnessPlace> differing;  ///< with the digests of what is there

    /// `content` is at `place`.
    void add(const WitnessPlace& place, std::span<const std::byte> content);
    bool differs() const { return !differing.empty(); }
    bool proven() const { return differing.empty() && proofs != 0; }
};

}  // namespace resilience
