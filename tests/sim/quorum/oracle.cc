// SPDX-License-Identifier: BSD-3-Clause
#include "tests/sim/quorum/oracle.h"

#include <cstring>

#include <fmt/format.h>

#include "tests/sim/quorum/simulated_device.h"

namespace resilience::sim {

namespace {

constexpr int sector_bits = 20;  // of a word; the rest is the write's number
constexpr std::size_t words = sector_size / sizeof(Word);

Word word_of(std::uint64_t number, std::uint64_t sector)
{
    return number << sector_bits | sector;
}

}  // namespace

Oracle::Oracle(std::uint64_t sectors) : sectors_(sectors), histories_(sectors) {}

void Oracle::fill(std::span<std::byte> data, std::uint64_t offset, std::uint64_t number)
{
    for (std::size_t at = 0; at < data.size(); at += sizeof(Word)) {
        const Word word = word_of(number, (offset + at) / sector_size);
        std::memcpy(&data[at], &word, sizeof word);
    }
}

std::uint64_t Oracle::begins(const Request& request)
{
    const std::uint64_t number = moment_++;
    running_.insert(number);
    if (modifies(request.op)) {
        for (std::uint64_t s = request.offset / sector_size; s < request.end() / sector_size; s++) {
            sectors_[s].writers++;
            sectors_[s].started = number;
            sectors_[s].since.push_back(request.op == Op::write ? number : 0);
        }
    }
    return number;
}

std::optional<std::string> Oracle::ends(std::uint64_t number, const Request& request, int error)
{
    running_.erase(number);
    const std::uint64_t end = moment_++;
    if (modifies(request.op)) {
        const bool zeroes = request.op != Op::write;
        for (std::uint64_t s = request.offset / sector_size; s < request.end() / sector_size; s++) {
            Sector& sector = sectors_[s];
            sector.writers--;
            histories_[s].wrote(zeroes ? 0 : number, number, error == 0 ? end : test::never);
            // Nothing runs between the end of a range lock and our being told,
            // so writes of the same sector end here in their true order.
            sector.anything = error != 0;
            sector.expected = zeroes ? 0 : word_of(number, s);
        }
    } else if (request.op == Op::read && error == 0) {
        return ends_read(number, request);
    } else if (request.op == Op::extents && error == 0) {
        ends_extents(number, request);
    }
    return std::nullopt;
}

void Oracle::flushed(const std::vector<std::uint64_t>& sectors)
{
    for (const std::uint64_t s : sectors) {
        sectors_[s].safe = sectors_[s].expected >> sector_bits;
        sectors_[s].since.clear();
    }
}

void Oracle::lost_power()
{
    const std::uint64_t now = moment_;
    moment_ += 2;
    for (std::uint64_t s = 0; s < sectors_.size(); s++) {
        Sector& sector = sectors_[s];
        if (sector.since.empty()) {
            continue;
        }
        sector.anything = true;
        histories_[s] = {};
        if (sector.safe != 0) {
            histories_[s].wrote(sector.safe, now, now + 1);
        }
        for (const std::uint64_t number : sector.since) {
            histories_[s].wrote(number, now + 1, test::never);
        }
    }
}

std::optional<std::string> Oracle::ends_read(std::uint64_t number, const Request& request)
{
    for (std::uint64_t s = request.offset / sector_size; s < request.end() / sector_size; s++) {
        Word content[words];
        std::memcpy(content, &request.into[s * sector_size - request.offset], sector_size);
        for (const Word word : content) {
            if (word != content[0] || (word != 0 && word != word_of(word >> sector_bits, s))) {
                return fmt::format("sector {}: a read returned {:#x}, which nobody wrote there", s,
                                   word);
            }
        }
        histories_[s].read(content[0] >> sector_bits, number, moment_ - 1);
    }
    return std::nullopt;
}

/// What is said to be zero must read as zeroes.
void Oracle::ends_extents(std::uint64_t number, const Request& request)
{
    std::uint64_t at = request.offset;
    for (const Extent& extent : request.extents) {
        for (std::uint64_t s = at / sector_size; s < (at + extent.length) / sector_size; s++) {
            if (extent.zero) {
                histories_[s].read(0, number, moment_ - 1);
            }
        }
        at += extent.length;
    }
}

std::optional<std::string> Oracle::violation() const
{
    for (std::uint64_t s = 0; s < histories_.size(); s++) {
        if (const auto wrong = histories_[s].violation()) {
            return fmt::format("sector {}: {}", s, *wrong);
        }
    }
    return std::nullopt;
}

}  // namespace resilience::sim
