// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>
#include <cstdint>

#include "common/device/request.h"
#include "common/file/file_io.h"

namespace resilience {

/// Zeroes and discards ranges of an open file in the cheapest way that its
/// file system or disk has, and remembers which ones it does not have.
/// Thread-safe.  Errors are positive errno values.
class FileZero {
public:
    FileZero(const OpenedFile& file, FileIo& io) : file_(file), io_(io) {}

    /// Makes the range read as zeroes; durable only after a sync.  With
    /// flags.fast_zero, ENOTSUP before anything has changed if writing zeroes
    /// is all that could be done.
    int zero(std::uint64_t offset, std::uint64_t length, const Flags& flags);
    /// The content no longer matters.
    int trim(std::uint64_t offset, std::uint64_t length);

private:
    int zero_file(std::uint64_t offset, std::uint64_t length, const Flags& flags);
    int zero_block_device(std::uint64_t offset, std::uint64_t length, const Flags& flags);
    int zero_range(std::uint64_t offset, std::uint64_t length);
    int punch_hole(std::uint64_t offset, std::uint64_t length);
    int punch_and_allocate(std::uint64_t offset, std::uint64_t length);

    const OpenedFile& file_;
    FileIo& io_;
    // Cleared for good when the answer is "not supported".
    std::atomic<bool> zero_range_{true};
    std::atomic<bool> punch_{true};
    std::atomic<bool> allocate_{true};
    std::atomic<bool> allocate_works_{false};
    std::atomic<bool> discard_{true};
    std::atomic<bool> zero_out_{true};
};

}  // namespace resilience
