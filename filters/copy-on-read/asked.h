// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>

#include "common/device/buffer_pool.h"
#include "common/device/device.h"
#include "common/thread/clock.h"

namespace resilience::cor {

/// A read at `offset` into all of `buffer`, which it keeps.
inline std::shared_ptr<Request> read_request(const Buffer& buffer, std::uint64_t offset)
{
    auto request = std::make_shared<Request>();
    request->offset = offset;
    request->length = buffer.size;
    request->into = buffer.span();
    request->owner = buffer.memory;
    return request;
}

/// A request under way, held by its asker and by its completion: who gives up
/// leaves it behind.
struct Asked {
    std::shared_ptr<Request> request = std::make_shared<Request>();
    std::mutex mutex;
    std::condition_variable ended;
    std::optional<int> error;

    Completion completion(const std::shared_ptr<Asked>& self)
    {
        return [self](int result) {
            const std::lock_guard lock(self->mutex);
            self->error = result;
            self->ended.notify_all();
        };
    }
    /// nullopt if the deadline came first.
    std::optional<int> wait(TimePoint deadline)
    {
        std::unique_lock lock(mutex);
        ended.wait_until(lock, deadline, [this] { return error.has_value(); });
        return error;
    }
};

}  // namespace resilience::cor
