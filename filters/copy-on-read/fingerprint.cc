// SPDX-License-Identifier: BSD-3-Clause
#include "filters/copy-on-read/fingerprint.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <vector>

#include <xxhash.h>

#include "filters/copy-on-read/asked.h"

namespace resilience::cor {

namespace {

constexpr std::uint64_t sample_count = 16;
constexpr std::uint64_t sample_alignment = 64 << 10;  ///< no minimum block size is larger
constexpr std::uint64_t smallest_sample = 4096;

std::shared_ptr<Asked> ask_for(Device& device, std::uint64_t offset, std::uint64_t length)
{
    auto asked = std::make_shared<Asked>();
    asked->request = read_request(take_buffer(length), offset);
    device.submit(asked->request, asked->completion(asked));
    return asked;
}

}  // namespace

std::uint64_t sample_length(const Device& device)
{
    return std::min<std::uint64_t>(
        device.size(), std::max<std::uint64_t>(smallest_sample, device.block_limits().minimum));
}

std::optional<std::uint64_t> take_fingerprint(Device& device, TimePoint deadline, int& error)
{
    const std::uint64_t length = sample_length(device);
    const std::uint64_t last = device.size() - length;
    std::vector<std::shared_ptr<Asked>> samples;
    for (std::uint64_t i = 0; i < sample_count; i++) {
        const std::uint64_t at = last / (sample_count - 1) * i;
        samples.push_back(ask_for(device, at / sample_alignment * sample_alignment, length));
    }
    std::uint64_t hash = device.size();
    for (const auto& sample : samples) {
        const std::optional<int> result = sample->wait(deadline);
        if (result != 0) {
            error = result.value_or(ETIMEDOUT);
            return std::nullopt;
        }
        hash = XXH3_64bits_withSeed(sample->request->into.data(), length, hash);
    }
    return hash;
}

}  // namespace resilience::cor
