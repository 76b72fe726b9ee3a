// SPDX-License-Identifier: BSD-3-Clause

// The format of the map, and the map in memory: what is written is read, what
// was torn is the older one, what is damaged is an error, each byte of it.

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstring>
#include <vector>

#include "common/format/allocation_map.h"
#include "common/store/cluster_map.h"

using namespace resilience::mapfile;
using resilience::ClusterMap;
using resilience::PageFile;

namespace {

using Bytes = std::vector<std::byte>;

Header sample_header()
{
    Header header;
    header.cluster_size = 64 << 10;
    header.device_size = (std::uint64_t{3} << 30) + 5;
    header.id = 0x1122334455667788;
    header.kind = "copy-on-read";
    header.generation = 77;
    header.owner = Bytes(100, std::byte{5});
    return header;
}

/// The state of cluster `index` of a page, as docs/formats/allocation-map.md has it.
unsigned get_state(const Payload& payload, std::uint64_t index)
{
    return std::to_integer<unsigned>(payload[8 + index / 4]) >> (index % 4 * 2) & 3U;
}

void put_state(Payload& payload, std::uint64_t index, State state)
{
    const unsigned shift = index % 4 * 2;
    const auto value = std::to_integer<unsigned>(payload[8 + index / 4]) & ~(3U << shift);
    payload[8 + index / 4] = static_cast<std::byte>(value | static_cast<unsigned>(state) << shift);
}

/// The two slots of a page, A with generation `a`, B with `b`.
Bytes page_of(const Payload& payload_a, std::uint64_t a, const Payload& payload_b, std::uint64_t b,
              std::uint64_t page = 1, std::uint64_t id = 9)
{
    Bytes bytes(2 * page_bytes);
    PageBytes slot;
    encode_slot(payload_a, a, id, page, 0, slot);
    std::memcpy(bytes.data(), slot.data(), page_bytes);
    encode_slot(payload_b, b, id, page, 1, slot);
    std::memcpy(bytes.data() + page_bytes, slot.data(), page_bytes);
    return bytes;
}

Payload filled(State state)
{
    Payload payload{};
    for (std::uint64_t i = 0; i < clusters_per_page; i++) {
        put_state(payload, i, state);
    }
    return payload;
}

bool is_damaged(const Bytes& bytes, std::uint64_t id, std::uint64_t page)
{
    try {
        decode_page(bytes, id, page);
    } catch (const Damaged&) {
        return true;
    }
    return false;
}

}  // namespace

TEST_CASE("a header is read as it was written")
{
    const Header header = sample_header();
    const Payload payload = encode_header(header);
    Page page;
    CHECK(decode_header(page_of(payload, 1, payload, 2, 0, header.id), page) == header);
    CHECK(page.slot == 1);
    CHECK(page.generation == 2);
}

TEST_CASE("a longest kind and owner's part fit, and both may be missing")
{
    Header header = sample_header();
    header.kind.assign(largest_kind, 'x');
    header.owner.assign(largest_owner, std::byte{0xee});
    const bool none = GENERATE(false, true);
    if (none) {
        header.kind.clear();
        header.owner.clear();
    }
    const Payload payload = encode_header(header);
    Page page;
    CHECK(decode_header(page_of(payload, 4, payload, 3, 0, header.id), page) == header);
    CHECK(page.slot == 0);
}

TEST_CASE("each byte of a header that is changed is noticed")
{
    const Header header = sample_header();
    const Payload payload = encode_header(header);
    const Bytes good = page_of(payload, 1, payload, 2, 0, header.id);
    for (std::size_t at = 0; at < good.size(); at++) {
        Bytes bad = good;
        bad[at] ^= std::byte{0x20};
        Page page;
        CHECK_THROWS_AS(decode_header(bad, page), Damaged);
    }
    Page page;
    for (const std::size_t length : {0, 1, 100, 4096, 8191}) {
        CHECK_THROWS_AS(decode_header(std::span(good).first(length), page), Damaged);
    }
}

TEST_CASE("the newer slot counts, and the next one must be newer still")
{
    const Payload older = filled(State::absent);
    const Payload newer = filled(State::data);
    const Page b = decode_page(page_of(older, 5, newer, 6), 9, 1);
    CHECK(b.slot == 1);
    CHECK(b.payload == newer);
    const Page a = decode_page(page_of(newer, 7, older, 6), 9, 1);
    CHECK(a.slot == 0);
    CHECK(a.generation == 7);
}

TEST_CASE("a torn write leaves what was there before, wherever it is torn")
{
    const Payload before = filled(State::data);
    const Bytes old = page_of(before, 6, filled(State::absent), 5);
    const Bytes whole = page_of(before, 6, filled(State::zero), 7);
    for (unsigned sectors = 1; sectors < (1U << sectors_per_page) - 1; sectors++) {
        Bytes torn = old;
        for (std::size_t i = 0; i < sectors_per_page; i++) {
            if ((sectors >> i & 1) != 0) {
                const std::size_t at = page_bytes + i * sector_bytes;
                std::memcpy(torn.data() + at, whole.data() + at, sector_bytes);
            }
        }
        const Page page = decode_page(torn, 9, 1);
        REQUIRE(page.slot == 0);
        REQUIRE(page.payload == before);
        // Written again with a generation that stands nowhere in the torn slot.
        REQUIRE(page.generation == 7);
    }
}

TEST_CASE("each byte of a page that is changed is noticed, in both slots")
{
    const Bytes good = page_of(filled(State::data), 1, filled(State::zero), 2);
    for (std::size_t at = 0; at < good.size(); at++) {
        for (const auto flip : {std::byte{1}, std::byte{0x80}}) {
            Bytes bad = good;
            bad[at] ^= flip;
            REQUIRE(is_damaged(bad, 9, 1));
        }
    }
}

TEST_CASE("a page of another map, of another place, or of zeroes is damage")
{
    const Bytes good = page_of(filled(State::data), 1, filled(State::zero), 2);
    CHECK(!is_damaged(good, 9, 1));
    CHECK(is_damaged(good, 10, 1));
    CHECK(is_damaged(good, 9, 2));
    CHECK(is_damaged(Bytes(2 * page_bytes), 9, 1));
    Bytes swapped = good;
    std::rotate(swapped.begin(), swapped.begin() + page_bytes, swapped.end());
    CHECK(is_damaged(swapped, 9, 1));
    CHECK(is_damaged(page_of(filled(State::data), 3, filled(State::zero), 3), 9, 1));
}

TEST_CASE("the map in memory agrees with the page")
{
    // More than a page, and a last cluster that is short.
    const std::uint64_t size = (clusters_per_page + 100) * 4096 - 5;
    ClusterMap map(size, 4096);
    map.empty(3);
    CHECK(map.pages() == 2);
    CHECK(map.clusters() == clusters_per_page + 100);
    CHECK(map.absent_clusters() == map.clusters());
    CHECK(!map.dirty());

    map.set({5, 200}, State::data);
    map.set({100, 110}, State::zero);
    map.fill({195, 210}, State::zero);  // 195 ... 199 stay as they are
    map.set({clusters_per_page - 2, clusters_per_page + 3}, State::data);
    CHECK(map.absent_clusters() == map.clusters() - 205 - 5);
    CHECK(map.all_present({5, 210}));
    CHECK(!map.all_present({4, 210}));
    CHECK(!map.all_present({5, 211}));
    CHECK(map.all_absent({210, clusters_per_page - 2}));
    CHECK(!map.all_absent({209, 300}));
    CHECK(map.get(105) == State::zero);
    CHECK(map.get(199) == State::data);
    CHECK(map.get(200) == State::zero);
    CHECK(map.next_absent(5) == 210);
    CHECK(map.next_absent(210) == 210);
    CHECK(map.next_absent(clusters_per_page - 2) == clusters_per_page + 3);
    CHECK(map.next_present(0) == 5);
    CHECK(map.next_present(210) == clusters_per_page - 2);
    CHECK(map.next_present(clusters_per_page + 3) == map.clusters());

    auto taken = map.take_dirty();
    CHECK(!map.dirty());
    REQUIRE(taken.size() == 2);
    std::ranges::sort(taken, {}, &PageFile::Changed::page);
    for (std::uint64_t i = 0; i < clusters_per_page; i++) {
        REQUIRE(get_state(taken[0].payload, i) == static_cast<unsigned>(map.get(i)));
    }
    ClusterMap copy(size, 4096);
    copy.empty(3);
    copy.load(0, taken[0].payload);
    copy.load(1, taken[1].payload);
    CHECK(copy.absent_clusters() == map.absent_clusters());
    CHECK(!copy.dirty());
    for (std::uint64_t i = 0; i < map.clusters(); i++) {
        REQUIRE(copy.get(i) == map.get(i));
    }
    map.put_back(taken);
    CHECK(map.take_dirty().size() == 2);
    map.set({0, map.clusters()}, State::data);
    CHECK(map.next_absent(0) == map.clusters());
    CHECK(map.absent_clusters() == 0);
}

TEST_CASE("a page counts only in the generation of the map")
{
    ClusterMap map(std::uint64_t{100} << 16, 64 << 10);
    map.empty(3);
    map.set({1, 5}, State::data);
    const auto taken = map.take_dirty();
    map.set({6, 7}, State::data);
    map.empty(4);
    CHECK(!map.dirty());
    CHECK(map.all_absent({0, 100}));
    map.set({7, 8}, State::zero);
    CHECK(map.next_present(0) == 7);
    CHECK(map.bytes() == 64 << 10);

    ClusterMap later(map.size(), 64 << 10);
    later.empty(4);
    later.load(0, taken[0].payload);
    CHECK(later.bytes() == 0);
    ClusterMap earlier(map.size(), 64 << 10);
    earlier.empty(2);
    CHECK_THROWS_AS(earlier.load(0, taken[0].payload), Damaged);
}

TEST_CASE("states that do not exist are damage, and so are those behind the end")
{
    ClusterMap map(std::uint64_t{100} << 16, 64 << 10);
    Payload payload{};
    put_state(payload, 99, State::data);
    map.load(0, payload);
    CHECK(map.get(99) == State::data);
    put_state(payload, 100, State::data);
    CHECK_THROWS_AS(ClusterMap(map.size(), 64 << 10).load(0, payload), Damaged);
    payload = {};
    payload[page_head + 1] = std::byte{0xc0};
    CHECK_THROWS_AS(ClusterMap(map.size(), 64 << 10).load(0, payload), Damaged);
}
