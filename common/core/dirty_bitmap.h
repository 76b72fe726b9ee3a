// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace resilience {

/// Bytes [begin, end) of a device.
struct ByteRange {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;

    std::uint64_t length() const { return end - begin; }
    bool empty() const { return begin >= end; }
    friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

/// Which parts of a device are marked, at a fixed granularity.
///
/// A granule is marked as a whole when any byte of it is; it is cleared only by
/// a range that covers all of it.  So a mark is never lost, and may say more
/// than is true, never less.  Memory: 1 bit per granule (2 MiB for 1 TiB at
/// 64 KiB).
///
/// All members are safe to call from any thread.  Tests cost one load when
/// nothing is marked.  Marks made by one thread are seen by another that
/// synchronised with it (the engines do, by the range lock).
class DirtyBitmap {
public:
    /// `size` and `granularity` in bytes; granularity is a power of two.
    DirtyBitmap(std::uint64_t size, std::uint64_t granularity);

    std::uint64_t granularity() const { return granularity_; }
    std::uint64_t size() const { return size_; }

    void set(ByteRange range);
    void set_all() { set({0, size_}); }
    /// Clears the granules that lie wholly inside `range` (the last granule of
    /// the device may be short).
    void clear(ByteRange range);
    void clear_all() { clear({0, size_}); }

    bool any() const { return marked_.load(std::memory_order_acquire) != 0; }
    bool any(ByteRange range) const;
    /// Marked granules, in bytes (the last one counted at its true length).
    /// While another thread changes the bitmap it may be too large, never
    /// larger than the device.
    std::uint64_t marked_bytes() const;

    /// The first run of marked granules that ends after `from`, at most `limit`
    /// bytes of it, but one granule at least (less could never be cleared).  It
    /// starts before `from` when that lies inside a marked granule.  nullopt
    /// when there is none.
    std::optional<ByteRange> next_marked(std::uint64_t from, std::uint64_t limit) const;

    /// Words of 64 granules, lowest granule in the lowest bit; for walking
    /// several bitmaps side by side.
    std::size_t words() const { return words_.size(); }
    std::uint64_t word(std::size_t index) const { return words_[index].load(); }
    /// All of them.
    std::vector<std::uint64_t> all_words() const { return {words_.begin(), words_.end()}; }

private:
    bool test(std::uint64_t granule) const;
    std::uint64_t granules() const { return (size_ + granularity_ - 1) / granularity_; }

    std::uint64_t size_;
    std::uint64_t granularity_;
    std::vector<std::atomic<std::uint64_t>> words_;
    std::atomic<std::uint64_t> marked_{0};  // granules
};

/// action(range) for each run of marked granules, ascending.
template <typename Action>
void for_each_marked(const DirtyBitmap& marks, Action action)
{
    std::uint64_t at = 0;
    while (const auto range = marks.next_marked(at, marks.size())) {
        action(*range);
        at = range->end;
    }
}

}  // namespace resilience
