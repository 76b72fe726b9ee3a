// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Writes a log that is derived from another one: entry by entry, zeroes as
// holes.  The file gets its name only when it is complete.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/core/unique_fd.h"
#include "common/replay/log_file.h"

namespace resilience::nbdcrash {

class LogWriter {
public:
    /// `super`: its count is not used.  Throws ToolError if `path` exists and
    /// not `replace`, is `source` itself, or cannot be written.
    LogWriter(std::string path, const writelog::LogFile& source, const writelog::Superblock& super,
              bool replace);
    LogWriter(const LogWriter&) = delete;
    LogWriter& operator=(const LogWriter&) = delete;
    /// Removes what is not finished.
    ~LogWriter();

    /// Appends an entry; its body is in the source, from byte `body` on.
    void add(const writelog::Entry& entry, std::uint64_t body);

    /// Writes the superblock, makes everything durable, gives the file its name.
    void finish();

    std::uint64_t entries() const { return super_.entries; }
    std::uint64_t bytes() const { return position_; }

private:
    void write(std::uint64_t position, std::span<const std::byte> from);
    void copy(std::uint64_t from, std::uint64_t length);
    [[noreturn]] void fail(const char* doing) const;

    const std::string path_;
    std::string temporary_;
    const writelog::LogFile& source_;
    writelog::Superblock super_;
    UniqueFd fd_;
    std::uint64_t position_;
    std::vector<std::byte> buffer_;
};

}  // namespace resilience::nbdcrash
