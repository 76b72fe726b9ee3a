// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the small files beside a disk (identities, maps) are written with: whole
// transfers at an offset, and files that are there whole or not at all.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/core/setup_error.h"

namespace resilience {

/// Reads at `offset` until `into` is full or the file ends; `got` is how much
/// that was.  0 or a positive errno.
int read_fully(int fd, std::span<std::byte> into, std::uint64_t offset, std::size_t& got);

/// Writes all of `from` at `offset`.  0 or a positive errno.
int write_fully(int fd, std::span<const std::byte> from, std::uint64_t offset);

/// Makes the names in the folder of `path` durable.  0 or a positive errno.
int sync_folder_of(const std::string& path);

/// Replaces the file durably: whatever happens, the old content is there or the
/// new one.  Uses `path`.tmp; one user at a time.  0 or a positive errno.
int replace_file(const std::string& path, std::span<const std::byte> content, unsigned mode = 0644);

/// The whole content of a regular file; nullopt if there is none of that name.
/// Throws SetupError, which names the file, also if it has more than `most` bytes.
std::optional<std::vector<std::byte>> read_whole_file(const std::string& path, std::size_t most);

}  // namespace resilience
