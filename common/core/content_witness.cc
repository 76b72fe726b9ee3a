// SPDX-License-Identifier: BSD-3-Clause
#include "common/core/content_witness.h"

#include <algorithm>
#include <cstring>

#include <xxhash.h>

namespace resilience {

namespace {

const ContentDigest& digest_of_zeroes()
{
    static const ContentDigest zeroes =
        digest_of(std::vector<std::byte>(witness_block, std::byte{0}));
    return zeroes;
}

bool is_spread(std::uint64_t size, std::uint64_t offset)
{
    const std::vector<std::uint64_t> all = spread_offsets(size);
    return std::ranges::binary_search(all, offset);
}

}  // namespace

ContentDigest digest_of(std::span<const std::byte> content)
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(content.data(), content.size()));
    ContentDigest digest;
    static_assert(sizeof canonical == sizeof digest);
    std::memcpy(digest.data(), &canonical, sizeof digest);
    return digest;
}

std::vector<std::uint64_t> spread_offsets(std::uint64_t size)
{
    const std::uint64_t blocks = size / witness_block;
    const std::uint64_t count = std::min<std::uint64_t>(blocks, most_spread);
    std::vector<std::uint64_t> offsets;
    for (std::uint64_t i = 0; i < count; i++) {
        // From the first to the last, without a product that could overflow.
        const std::uint64_t steps = count - 1;
        const std::uint64_t block =
            steps == 0 ? 0 : (blocks - 1) / steps * i + (blocks - 1) % steps * i / steps;
        offsets.push_back(block * witness_block);
    }
    return offsets;
}

std::vector<WitnessPlace> ContentWitness::places() const
{
    std::vector<WitnessPlace> all = spread;
    all.insert(all.end(), recent.begin(), recent.end());
    return all;
}

void ContentWitness::note(std::uint64_t size, std::uint64_t offset, const ContentDigest& digest)
{
    const WitnessPlace place{offset, digest};
    forget(place.range());
    if (is_spread(size, offset)) {
        spread.push_back(place);
        return;
    }
    recent.push_back(place);
    if (recent.size() > most_recent) {
        recent.erase(recent.begin());
    }
}

void ContentWitness::forget(ByteRange range)
{
    const auto touched = [&](const WitnessPlace& place) {
        return place.offset < range.end && range.begin < place.range().end;
    };
    std::erase_if(spread, touched);
    std::erase_if(recent, touched);
}

std::vector<std::uint64_t> ContentWitness::offsets_in(std::uint64_t size, ByteRange range) const
{
    const auto inside = [&](std::uint64_t offset) {
        return offset >= range.begin && offset < range.end;
    };
    std::vector<std::uint64_t> offsets;
    std::ranges::copy_if(spread_offsets(size), std::back_inserter(offsets), inside);
    for (const WitnessPlace& place : recent) {
        if (inside(place.offset)) {
            offsets.push_back(place.offset);
        }
    }
    return offsets;
}

void WitnessFindings::add(const WitnessPlace& place, std::span<const std::byte> content)
{
    const ContentDigest found = digest_of(content);
    compared++;
    if (found != place.digest) {
        differing.push_back({place.offset, found});
    } else if (found != digest_of_zeroes()) {
        proofs++;
    }
}

}  // namespace resilience
