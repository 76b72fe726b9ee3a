// SPDX-License-Identifier: BSD-3-Clause
#include "common/device/buffer_pool.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <new>
#include <vector>

namespace resilience {

namespace {

constexpr std::size_t alignment = 4096;
constexpr std::size_t smallest = 4096;
constexpr std::size_t classes = 15;  // 4 KiB, 8 KiB, ... 64 MiB: nbdkit's largest request
constexpr std::size_t most_kept = 32 << 20;

struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
};
using Memory = std::unique_ptr<std::byte[], Free>;

Memory allocate(std::size_t size)
{
    Memory memory(static_cast<std::byte*>(std::aligned_alloc(alignment, size)));
    if (!memory) {
        throw std::bad_alloc();
    }
    return memory;
}

/// Free buffers by size, a power of two.
class Pool {
public:
    Memory take(std::size_t size_class)
    {
        {
            const std::lock_guard lock(mutex_);
            auto& list = free_[size_class];
            if (!list.empty()) {
                Memory memory = std::move(list.back());
                list.pop_back();
                kept_ -= smallest << size_class;
                return memory;
            }
        }
        return allocate(smallest << size_class);
    }

    void give(Memory memory, std::size_t size_class) noexcept
    {
        const std::size_t size = smallest << size_class;
        const std::lock_guard lock(mutex_);
        if (kept_ + size > most_kept) {
            return;
        }
        try {
            free_[size_class].push_back(std::move(memory));
            kept_ += size;
        } catch (const std::bad_alloc&) {
            // Then it is freed instead.
        }
    }

private:
    std::mutex mutex_;
    std::array<std::vector<Memory>, classes> free_;
    std::size_t kept_ = 0;
};

/// Never destroyed, on purpose: an abandoned request may give its buffer back
/// while the process ends.
Pool& pool()
{
    alignas(Pool) static std::byte storage[sizeof(Pool)];
    static Pool& instance = *std::construct_at(reinterpret_cast<Pool*>(storage));
    return instance;
}

}  // namespace

Buffer take_buffer(std::size_t size)
{
    const std::size_t units = (std::max<std::size_t>(size, 1) + smallest - 1) / smallest;
    const std::size_t size_class = std::bit_width(units - 1);
    if (size_class >= classes) {
        throw std::bad_alloc();
    }
    std::byte* raw = pool().take(size_class).release();
    return {std::shared_ptr<std::byte>(
                raw, [size_class](std::byte* memory) { pool().give(Memory(memory), size_class); }),
            size};
}

}  // namespace resilience
