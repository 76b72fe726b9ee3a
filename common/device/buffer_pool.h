// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <memory>
#include <span>

namespace resilience {

/// Memory that a request owns; it lives as long as somebody holds it.
struct Buffer {
    std::shared_ptr<std::byte> memory;
    std::size_t size = 0;

    std::span<std::byte> span() const { return {memory.get(), size}; }
};

/// A buffer of `size` bytes (content undefined) from a pool for the whole
/// process.  A large buffer taken from malloc is fresh pages every time, and
/// touching those costs more than the read that fills them; so buffers come
/// back here when their last holder lets go.  The pool keeps at most 32 MiB.
/// Aligned to 4096 bytes, as O_DIRECT wants it.  Thread-safe.
Buffer take_buffer(std::size_t size);

}  // namespace resilience
