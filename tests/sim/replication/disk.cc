// SPDX-License-Identifier: BSD-3-Clause
#include "tests/sim/replication/disk.h"

#include <algorithm>
#include <cstring>

namespace resilience::sim {

void Disk::write(std::uint64_t offset, std::span<const std::byte> data)
{
    std::ranges::copy(data, content_.begin() + static_cast<std::ptrdiff_t>(offset));
    for (std::uint64_t s = offset / sector; s * sector < offset + data.size(); s++) {
        unflushed_.insert(s);
    }
}

void Disk::zero(std::uint64_t offset, std::uint64_t length)
{
    const std::vector<std::byte> zeroes(length);
    write(offset, zeroes);
}

void Disk::read(std::uint64_t offset, std::span<std::byte> into) const
{
    std::copy_n(content_.begin() + static_cast<std::ptrdiff_t>(offset), into.size(), into.begin());
}

void Disk::flush()
{
    for (const std::uint64_t s : unflushed_) {
        std::memcpy(durable_.data() + s * sector, content_.data() + s * sector, sector);
    }
    unflushed_.clear();
}

void Disk::lose_power(Random& random)
{
    for (const std::uint64_t s : unflushed_) {
        if (random.one_in(2)) {
            std::memcpy(content_.data() + s * sector, durable_.data() + s * sector, sector);
        }
    }
    unflushed_.clear();
    durable_ = content_;
}

std::uint64_t Disk::stamp(std::uint64_t number) const
{
    std::uint64_t word;
    std::memcpy(&word, content_.data() + number * sector, sizeof word);
    return word;
}

}  // namespace resilience::sim
