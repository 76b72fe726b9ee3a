// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

namespace resilience {

/// Starts a thread with all signals blocked (the server's own threads are the
/// ones that must take them) and with `name`, of which the kernel keeps 15
/// characters.  Throws std::system_error if the machine has no thread left.  An
/// exception that `body` lets out is logged and ends the thread, not the process.
std::thread start_thread(const std::string& name, std::function<void()> body);

/// Runs `work` on a helper thread and returns what it returns, or nullopt if
/// it has not ended within `limit`; rethrows what it throws.
///
/// It is for system calls that can hang for good (a dead NFS server).  A
/// thread that hangs in the kernel can be neither interrupted nor joined, so
/// it is left behind, and with it everything that `work` owns; a result that
/// comes too late is destroyed there.  `work` must therefore not refer to
/// anything of its caller.
template <typename T>
std::optional<T> call_with_deadline(const std::string& name, std::function<T()> work,
                                    std::chrono::milliseconds limit)
{
    auto promise = std::make_shared<std::promise<T>>();
    auto future = promise->get_future();
    auto thread = start_thread(name, [promise, work = std::move(work)] {
        try {
            promise->set_value(work());
        } catch (...) {
            promise->set_exception(std::current_exception());
        }
    });
    if (future.wait_for(limit) != std::future_status::ready) {
        thread.detach();
        return std::nullopt;
    }
    thread.join();
    return future.get();
}

}  // namespace resilience
