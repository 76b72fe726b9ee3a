// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <atomic>

#include "common/core/unique_fd.h"
#include "filters/logwrites/log_storage.h"

namespace resilience::logwrites {

/// A log in a regular file.
class FileStorage final : public LogStorage {
public:
    /// Opens `path`, or creates it, and takes the advisory locks of a writer.
    /// Throws SetupError.
    FileStorage(const std::string& path, std::string name);

    const std::string& name() const override { return name_; }
    std::uint64_t size() const override;
    bool fixed_size() const override { return false; }
    int read(std::uint64_t position, std::span<std::byte> into) override;
    int write(std::uint64_t position, std::span<iovec> parts) override;
    int write_hole(std::uint64_t position, std::uint64_t length) override;
    int reserve(std::uint64_t position, std::uint64_t length) override;
    void extend(std::uint64_t end) override;
    void release(std::uint64_t position, std::uint64_t length) override;
    int cut(std::uint64_t end) override;
    int sync() override;

private:
    const std::string name_;
    UniqueFd fd_;
};

}  // namespace resilience::logwrites
