// SPDX-License-Identifier: BSD-3-Clause
#include "filters/quorum/unflushed_data.h"

#include <algorithm>
#include <bit>

namespace resilience::quorum {

namespace {

/// What a run costs beside its data.
constexpr std::uint64_t run_memory = 192;

/// As the pool gives it.
std::uint64_t memory_of(ByteRange range, bool data)
{
    constexpr std::uint64_t smallest = 4096;
    return data ? std::bit_ceil(std::max(range.length(), smallest)) : 0;
}

}  // namespace

bool UnflushedData::admit(ByteRange range, bool data)
{
    // Two runs: a change in the middle of another one leaves two of that.
    const std::uint64_t memory = memory_of(range, data) + 2 * run_memory;
    Freed freed;  // after the lock has been let go
    const std::lock_guard lock(mutex_);
    if (bytes_ + memory > limit_) {
        cut(range, freed);
        return false;
    }
    bytes_ += memory;
    return true;
}

void UnflushedData::put(ByteRange range, const Buffer& data)
{
    const bool has_data = data.memory != nullptr;
    auto block = std::make_shared<Block>();
    block->data = data;
    block->begin = range.begin;
    block->memory = memory_of(range, has_data);
    Freed freed;
    const std::lock_guard lock(mutex_);
    block->sequence = ++sequence_;
    cut(range, freed);
    add(range.begin, range.end, block);
    bytes_ -= 2 * run_memory;  // the runs have been counted as such
}

std::uint64_t UnflushedData::sequence() const
{
    const std::lock_guard lock(mutex_);
    return sequence_;
}

void UnflushedData::drop_until(std::uint64_t sequence)
{
    Freed freed;
    const std::lock_guard lock(mutex_);
    for (auto run = runs_.begin(); run != runs_.end();) {
        run = run->second.block->sequence <= sequence ? remove(run, freed) : std::next(run);
    }
}

void UnflushedData::add(std::uint64_t begin, std::uint64_t end,
                        const std::shared_ptr<Block>& block)
{
    runs_.emplace(begin, Run{end, block});
    block->runs++;
    bytes_ += run_memory;
}

UnflushedData::Runs::iterator UnflushedData::remove(Runs::iterator run, Freed& freed)
{
    bytes_ -= run_memory;
    if (--run->second.block->runs == 0) {
        bytes_ -= run->second.block->memory;
        freed.push_back(std::move(run->second.block));
    }
    return runs_.erase(run);
}

void UnflushedData::cut(ByteRange range, Freed& freed)
{
    auto run = runs_.upper_bound(range.begin);
    if (run != runs_.begin()) {
        --run;
    }
    while (run != runs_.end() && run->first < range.end) {
        const std::uint64_t begin = run->first;
        const std::uint64_t end = run->second.end;
        if (end <= range.begin) {
            ++run;
            continue;
        }
        const std::shared_ptr<Block> block = run->second.block;
        // Its rests first, so that it does not count as gone meanwhile.
        if (end > range.end) {
            add(range.end, end, block);
        }
        if (begin < range.begin) {
            run->second.end = range.begin;
            ++run;
        } else {
            run = remove(run, freed);
        }
    }
}

template <typename Action>
void UnflushedData::for_each_run(ByteRange range, Action action) const
{
    auto run = runs_.upper_bound(range.begin);
    if (run != runs_.begin()) {
        --run;
    }
    for (; run != runs_.end() && run->first < range.end; ++run) {
        const ByteRange part{std::max(run->first, range.begin),
                             std::min(run->second.end, range.end)};
        if (!part.empty()) {
            action(part, *run->second.block);
        }
    }
}

std::vector<UnflushedData::Piece> UnflushedData::pieces(ByteRange range) const
{
    std::vector<Piece> pieces;
    const std::lock_guard lock(mutex_);
    for_each_run(range, [&](ByteRange part, const Block& block) {
        pieces.push_back({part, block.data, part.begin - block.begin});
    });
    return pieces;
}

bool UnflushedData::has_data(ByteRange range) const
{
    bool data = false;
    const std::lock_guard lock(mutex_);
    for_each_run(range, [&](ByteRange, const Block& block) {
        data = data || block.data.memory != nullptr;
    });
    return data;
}

}  // namespace resilience::quorum
