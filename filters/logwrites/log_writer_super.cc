// SPDX-License-Identifier: BSD-3-Clause

// The superblock: who counts how many entries, and when.

#include <array>
#include <cerrno>
#include <chrono>

#include "filters/logwrites/log_writer.h"

namespace resilience::logwrites {

using writelog::HeaderBytes;

namespace {

constexpr std::chrono::seconds patience{30};

iovec part_of(std::span<const std::byte> bytes)
{
    return {const_cast<std::byte*>(bytes.data()), bytes.size()};
}

}  // namespace

int LogWriter::write_super(std::uint64_t entries)
{
    writelog::Superblock super;
    super.entries = entries;
    super.sector_size = sector_size_;
    super.extension = super_extension_;
    HeaderBytes bytes;
    writelog::encode(super, bytes);
    std::array<iovec, 2> parts = {part_of(bytes),
                                  part_of({zeroes_.get(), sector_size_ - bytes.size()})};
    return storage_.write(0, std::span(parts).first(sector_size_ > bytes.size() ? 2 : 1));
}

/// The superblock shall count the first `entries` entries.  One thread does it
/// for all that wait: the next one finds its own counted already.
int LogWriter::commit(std::uint64_t entries, bool durable)
{
    durable = durable && settings_.sync;
    const auto deadline = std::chrono::steady_clock::now() + patience;
    Lock lock(mutex_);
    const auto covered = [&] { return (durable ? synced_ : counted_) >= entries; };
    const bool in_time = changed_.wait_until(
        lock, deadline, [&] { return covered() || !committing_ || gap_ < entries; });
    if (covered()) {
        return 0;
    }
    if (!in_time || gap_ < entries) {
        return state_ == State::stopped ? 0 : EIO;
    }
    committing_ = true;
    int error = ETIMEDOUT;
    std::uint64_t count = 0;
    if (changed_.wait_until(lock, deadline,
                            [&] { return complete() >= entries || gap_ < entries; })) {
        count = complete();
        lock.unlock();
        error = write_super(count);
        if (error == 0 && durable) {
            error = storage_.sync();
        }
        lock.lock();
    }
    committing_ = false;
    if (error == ETIMEDOUT) {
        count = complete();
    }
    if (error == 0) {
        counted_ = count;
        synced_ = durable ? count : synced_;
    }
    changed_.notify_all();
    if (error != 0) {
        return log_failed(lock, count, "write of the superblock", error);
    }
    return covered() || state_ == State::stopped ? 0 : EIO;
}

/// Every so many entries the superblock is written although nobody waits.
int LogWriter::commit_if_due(std::uint64_t first, std::uint64_t count)
{
    const std::uint64_t interval = settings_.super_update_interval;
    if ((first + count) / interval == first / interval) {
        return 0;
    }
    return commit(first + count, false);
}

}  // namespace resilience::logwrites
