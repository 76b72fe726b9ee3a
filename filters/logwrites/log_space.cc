// SPDX-License-Identifier: BSD-3-Clause
#include "filters/logwrites/log_space.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <limits>

namespace resilience::logwrites {

namespace {

// A small log shall not take 16 MiB, a large one shall not ask often.
constexpr std::uint64_t smallest_chunk = 1 << 20;
constexpr std::uint64_t largest_chunk = 16 << 20;
constexpr std::uint64_t block = 4096;
constexpr std::uint64_t no_limit = std::numeric_limits<std::int64_t>::max();
constexpr std::chrono::seconds patience{30};

std::uint64_t round_down(std::uint64_t value) { return value / block * block; }
std::uint64_t round_up(std::uint64_t value) { return round_down(value + block - 1); }

}  // namespace

LogSpace::LogSpace(LogStorage& storage, std::uint64_t position, std::uint64_t kept_back)
    : storage_(storage), position_(position), kept_back_(kept_back),
      end_(storage.fixed_size() ? storage.size() : position), chunk_(smallest_chunk)
{
}

bool LogSpace::fits(std::uint64_t bytes) const
{
    return end_ >= position_ && end_ - position_ >= admitted_ + kept_back_ + bytes;
}

int LogSpace::admit(std::unique_lock<std::mutex>& lock, std::uint64_t bytes)
{
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (!fits(bytes)) {
        if (storage_.fixed_size()) {
            return ENOSPC;
        }
        if (growing_) {
            if (grown_.wait_until(lock, deadline) == std::cv_status::timeout) {
                return ETIMEDOUT;
            }
            continue;
        }
        if (const int error = grow(lock, bytes)) {
            return error;
        }
    }
    admitted_ += bytes;
    if (!growing_ && !tight_ && end_ != no_limit && !storage_.fixed_size() && !fits(chunk_ / 2)) {
        grow(lock, 0);  // ahead of need: allocating takes long, and the others go on meanwhile
    }
    return 0;
}

// First a chunk, and if there is no room for one, just what is needed.
int LogSpace::grow(std::unique_lock<std::mutex>& lock, std::uint64_t needed)
{
    const std::uint64_t from = std::max(end_, round_down(position_));
    const std::uint64_t least = round_up(position_ + admitted_ + kept_back_ + needed);
    std::uint64_t to = std::max(least, from + chunk_);
    growing_ = true;
    lock.unlock();
    int error = storage_.reserve(from, to - from);
    const bool no_chunk = error == ENOSPC && to > least;
    if (no_chunk && least > from) {
        to = least;
        error = storage_.reserve(from, to - from);
    }
    lock.lock();
    growing_ = false;
    tight_ = no_chunk;
    chunk_ = no_chunk ? block : std::min(chunk_ * 2, largest_chunk);
    grown_.notify_all();
    if (error == 0) {
        end_ = to;
    } else if (error != ENOSPC) {
        // It cannot be done here, and what cannot be done is not waited for.
        end_ = no_limit;
        error = 0;
    }
    return error;
}

std::uint64_t LogSpace::take(std::unique_lock<std::mutex>& lock, std::uint64_t admitted,
                             std::span<const Run> runs)
{
    bool jumps = false;
    std::uint64_t length = 0;
    for (const Run& run : runs) {
        jumps = jumps || run.hole;
        length += run.length;
    }
    if (jumps && end_ != no_limit) {
        // Two may not move the end at the same time.
        grown_.wait_for(lock, patience, [this] { return !growing_; });
    }
    const std::uint64_t start = position_;
    position_ += length;
    admitted_ -= admitted;
    if (jumps && end_ != no_limit) {
        jump(start, runs);
    }
    return start;
}

std::uint64_t LogSpace::take_kept_back(std::uint64_t bytes)
{
    const std::uint64_t start = position_;
    kept_back_ -= std::min(bytes, kept_back_);
    position_ += bytes;
    return start;
}

/// Gives back what the holes jump over, and then takes as much behind them: in
/// this order there is room for it even on a full disk.  What fails here shows
/// when the entry is written.
void LogSpace::jump(std::uint64_t start, std::span<const Run> runs)
{
    // File systems give nothing back behind the end of a file.  Nobody has a
    // place behind ours yet, so the file cannot become shorter by this.
    storage_.extend(position_);
    for (const Run& run : runs) {
        const std::uint64_t begin = round_up(start + run.offset);
        const std::uint64_t end = std::min(start + run.offset + run.length, end_);
        if (run.hole && begin < end) {
            storage_.release(begin, end - begin);
        }
    }
    for (const Run& run : runs) {
        const std::uint64_t end = start + run.offset + run.length;
        const std::uint64_t begin = std::max(start + run.offset, end_);
        if (!run.hole && begin < end) {
            storage_.reserve(begin, end - begin);
        }
    }
    if (position_ + admitted_ + kept_back_ > end_) {
        // The last byte of the hole before is written (it makes the file long
        // enough), so its block belongs to what is needed.
        const std::uint64_t from = std::max(end_, round_down(position_ - 1));
        const std::uint64_t to = round_up(position_ + admitted_ + kept_back_);
        end_ = storage_.reserve(from, to - from) == 0 ? to : position_;
    }
}

}  // namespace resilience::logwrites
