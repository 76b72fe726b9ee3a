// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Where the two sides differed, with all that helps to find out why.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/core/dirty_bitmap.h"
#include "common/device/request.h"
#include "filters/blkverify/history.h"

namespace resilience::blkverify {

/// What was different.
enum class Kind : std::uint8_t {
    contents,  ///< both succeeded, with other data
    result,    ///< one succeeded and the other failed, or they failed differently
};

/// "contents", "return-value".
std::string_view to_string(Kind kind);

/// One mismatch.
struct Mismatch {
    std::uint64_t number = 0;  ///< 1, 2, ... in the order of being found
    std::chrono::system_clock::time_point time;
    Op op = Op::read;
    Kind kind = Kind::contents;
    ByteRange range;  ///< of the request; empty for flush
    std::uint32_t connection = 0;
    int test = 0;       ///< errno, or 0
    int reference = 0;  ///< the same

    // For contents.
    std::uint64_t position = 0;           ///< the first byte that differs
    std::uint64_t differing_bytes = 0;    ///< in the whole request
    std::uint64_t differing_sectors = 0;  ///< of 512 bytes, partly or wholly
    std::uint64_t dump_offset = 0;        ///< where the two dumps begin
    std::vector<std::byte> test_dump;
    std::vector<std::byte> reference_dump;

    /// What changed the place before, newest first.
    std::vector<Change> history;
};

/// QEMU's message: "blkverify: read offset=O bytes=N contents mismatch at
/// offset P" or "... return value mismatch T != R", with negative errnos.
std::string qemu_text(const Mismatch& mismatch);

/// Fills in what the data of a read tell: `test` and `reference` are what the
/// two sides gave for mismatch.range, and differ first at `first` (an index).
void describe_contents(Mismatch& mismatch, std::span<const std::byte> test,
                       std::span<const std::byte> reference, std::size_t first);

/// The mismatches that are kept: the first ones, which are nearest to the cause,
/// and the newest ones.  All are counted.  Thread-safe.
class MismatchList {
public:
    /// Keeps `first` of the oldest and `newest` of the others.
    explicit MismatchList(std::size_t first = 128, std::size_t newest = 128)
        : most_first_(first), most_newest_(newest)
    {
    }

    /// Gives it its number, which is returned.
    std::uint64_t add(Mismatch mismatch);
    /// Those that are kept, in their order.
    std::vector<Mismatch> kept() const;
    /// How many there were, kept or not.
    std::uint64_t total() const;
    /// Forgets those that are kept.  They stay counted.
    void clear();

private:
    const std::size_t most_first_;
    const std::size_t most_newest_;
    mutable std::mutex mutex_;
    std::uint64_t total_ = 0;
    std::deque<Mismatch> first_;
    std::deque<Mismatch> newest_;
};

}  // namespace resilience::blkverify
