// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>

#include <sys/eventfd.h>
#include <unistd.h>

#include "common/core/setup_error.h"
#include "common/core/unique_fd.h"

namespace resilience {

/// Wakes a thread that waits in poll().  Any thread may signal at any time.
class EventFd {
public:
    EventFd() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))
    {
        if (!fd_) {
            throw SetupError(std::string("cannot make an eventfd: ") + std::strerror(errno));
        }
    }
    /// What to poll for POLLIN.
    int get() const { return fd_.get(); }
    void signal() const noexcept
    {
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto n = ::write(fd_.get(), &one, sizeof one);
    }
    void clear() const noexcept
    {
        std::uint64_t count = 0;
        [[maybe_unused]] const auto n = ::read(fd_.get(), &count, sizeof count);
    }

private:
    UniqueFd fd_;
};

}  // namespace resilience
