// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The content of a simulated host's disk.

#include <cstdint>
#include <set>
#include <span>
#include <vector>

#include "tests/sim/world.h"

namespace resilience::sim {

inline constexpr std::uint64_t sector = 512;

/// What reads see, and what survives a power loss.
class Disk {
public:
    explicit Disk(std::uint64_t size) : content_(size), durable_(size) {}

    std::uint64_t size() const { return content_.size(); }
    void write(std::uint64_t offset, std::span<const std::byte> data);
    void zero(std::uint64_t offset, std::uint64_t length);
    void read(std::uint64_t offset, std::span<std::byte> into) const;
    void flush();
    /// Of what was not flushed, some is there and some is not.
    void lose_power(Random& random);
    /// The first word of a sector.
    std::uint64_t stamp(std::uint64_t number) const;
    std::uint64_t sectors() const { return content_.size() / sector; }
    const std::vector<std::byte>& content() const { return content_; }
    void restore(const std::vector<std::byte>& content) { content_ = durable_ = content; }

private:
    std::vector<std::byte> content_;
    std::vector<std::byte> durable_;
    std::set<std::uint64_t> unflushed_;  // sectors
};

}  // namespace resilience::sim
