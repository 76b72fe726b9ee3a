// SPDX-License-Identifier: BSD-3-Clause
#include "common/core/random_id.h"

#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace resilience {

void fill_random(std::span<std::byte> into)
{
    if (getentropy(into.data(), into.size()) != 0) {
        throw std::system_error(errno, std::generic_category(), "the kernel gives no random numbers");
    }
}

}  // namespace resilience
