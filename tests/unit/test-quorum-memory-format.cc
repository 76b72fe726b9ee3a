// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <cstring>

#include <catch2/catch.hpp>

#include "common/format/little_endian.h"
#include "common/format/quorum_memory.h"

using namespace resilience;
using namespace resilience::memoryfile;

namespace {

constexpr std::uint64_t device = 100 << 20;

/// A copy in memory, written as a server writes it.
struct File {
    std::vector<std::byte> bytes = std::vector<std::byte>(Layout(device).bytes(3));
    std::uint64_t key = 0;
    std::uint64_t number = 10;

    void put(std::uint64_t page, const Payload& payload, unsigned slot, std::uint64_t with)
    {
        PageBytes out;
        mapfile::encode_slot(payload, with, key, page, slot, out);
        std::ranges::copy(out, bytes.begin() + static_cast<std::ptrdiff_t>(
                                                   mapfile::slot_offset(page, slot)));
    }
    void put_both(std::uint64_t page, const Payload& payload)
    {
        number += 2;
        put(page, payload, 1, number - 1);
        put(page, payload, 0, number);
    }
    std::optional<Copy> read() const
    {
        return read_copy(
            [this](std::uint64_t offset, std::span<std::byte> into) {
                std::ranges::copy(std::span(bytes).subspan(offset, into.size()), into.begin());
                return 0;
            },
            bytes.size());
    }
};

Content example()
{
    Content content;
    content.root = {new_id(), device, 7, 99, 2, 3, 2, true, true};
    content.members[0] = {new_id(), "a", "/nfs1/d.img", MemberState::current, false, false, 7, 1};
    content.members[1] = {new_id(), "", "nbd://nas3/d", MemberState::behind, true, true, 6, 2};
    content.intents = std::vector<std::uint64_t>((Layout(device).regions + 63) / 64);
    content.intents[0] = 0x8000000000000005;
    content.maps[1] = std::vector<std::uint64_t>(device / granule / 64, 0xff00);
    for (std::uint64_t i = 0; i < most_spread; i++) {
        content.witness.spread.push_back({i * witness_block, {std::byte(i)}});
    }
    content.witness.recent = {{device - witness_block, {std::byte{9}}}, {1 << 20, {}}};
    return content;
}

File write(const Content& content)
{
    File file;
    file.key = key_of(content.root.set);
    const Layout layout(device);
    file.put_both(Layout::root, encode_root(content.root));
    for (std::size_t i = 0; i < most_members; i++) {
        file.put_both(Layout::members + i, encode_member(content.members[i]));
    }
    for (std::uint64_t i = 0; i < Layout::intent_pages; i++) {
        file.put_both(Layout::intents + i, encode_bits(content.intents, i));
    }
    for (std::uint64_t i = 0; i < Layout::witness_pages; i++) {
        file.put_both(Layout::witness + i, encode_witness(content.witness, i));
    }
    file.put_both(layout.map_of(1), encode_bits(content.maps[1], 0));
    return file;
}

}  // namespace

TEST_CASE("what was written is read, and in which slots it was")
{
    Content content = example();
    const File file = write(content);
    const auto copy = file.read();
    REQUIRE(copy);
    content.newest = file.number;
    content.weight = copy->content.weight;
    CHECK(copy->content == content);
    CHECK(copy->slots[Layout::root] == 0);
    CHECK(copy->slots[Layout(device).map_of(1)] == 0);
    CHECK(copy->slots[Layout(device).map_of(0)] == never_written);
}

TEST_CASE("zeroes, and a copy that was not finished, are nothing")
{
    CHECK_FALSE(File{}.read());
    Content content = example();
    content.root.complete = false;
    CHECK_FALSE(write(content).read());
}

TEST_CASE("a byte that is wrong is damage, wherever it stands")
{
    const File good = write(example());
    const Layout layout(device);
    std::vector<std::uint64_t> pages;
    for (std::uint64_t page = 0; page < Layout::witness + Layout::witness_pages; page++) {
        pages.push_back(page);
    }
    pages.push_back(layout.map_of(1));
    for (const std::uint64_t page : pages) {
        for (std::uint64_t at = page * 2 * page_bytes; at < (page + 1) * 2 * page_bytes; at += 61) {
            File file = good;
            file.bytes[at] ^= std::byte{4};
            try {
                file.read();
                FAIL("byte " << at << " of page " << page << " is not noticed");
            } catch (const Damaged&) {
            } catch (const OtherVersion&) {
            }
        }
    }
}

TEST_CASE("a page that is torn anywhere is the one of before; a lost one is damage")
{
    const File good = write(example());
    Member renamed;
    renamed.name = "new";
    const Payload newer = encode_member(renamed);
    const std::uint64_t page = Layout::members;
    for (std::size_t sectors = 0; sectors <= 8; sectors++) {
        File torn = good;
        File whole = good;
        whole.put(page, newer, 1, whole.number + 1);
        const auto at = static_cast<std::ptrdiff_t>(mapfile::slot_offset(page, 1));
        std::copy_n(whole.bytes.begin() + at, sectors * 512, torn.bytes.begin() + at);
        const auto copy = torn.read();
        REQUIRE(copy);
        CHECK(copy->content.members[0].name == (sectors == 8 ? "new" : "a"));
    }
    for (const std::uint64_t lost : {Layout::members + 31, Layout::intents, Layout::witness + 1,
                                     Layout(device).map_of(1)}) {
        File file = good;
        const auto at = static_cast<std::ptrdiff_t>(mapfile::slot_offset(lost, 0));
        std::fill_n(file.bytes.begin() + at, 2 * page_bytes, std::byte{0});
        CHECK_THROWS_AS(file.read(), Damaged);
    }
}

TEST_CASE("a page of another set, or in another place, is damage")
{
    const File good = write(example());
    File other = write(example());  // another random id
    File mixed = good;
    const auto at = [](std::uint64_t page) {
        return static_cast<std::ptrdiff_t>(mapfile::slot_offset(page, 0));
    };
    std::copy_n(other.bytes.begin() + at(2), 2 * page_bytes, mixed.bytes.begin() + at(2));
    CHECK_THROWS_AS(mixed.read(), Damaged);
    mixed = good;
    std::copy_n(good.bytes.begin() + at(2), 2 * page_bytes, mixed.bytes.begin() + at(3));
    CHECK_THROWS_AS(mixed.read(), Damaged);
}

TEST_CASE("a place of the witness that cannot be is damage")
{
    const auto decode = [](std::uint64_t field) {
        Payload page{};
        put_le(page, 24, field);  // the second place
        return decode_witness(page, 2 * witness_block + 1);
    };
    CHECK(decode(witness_block | 1).size() == 1);
    CHECK(decode(witness_block).empty());  // nothing is known there
    for (const std::uint64_t bad : {std::uint64_t{2}, witness_block + 2, 2 * witness_block,
                                    ~std::uint64_t{0}}) {
        CHECK_THROWS_AS(decode(bad | 1), Damaged);
    }
}

TEST_CASE("another version, and what is no memory at all")
{
    File file = write(example());
    Payload root = encode_root(example().root);
    put_le(root, 8, std::uint32_t{2});
    file.key = get_le<std::uint64_t>(root, 16) ^ get_le<std::uint64_t>(root, 24);
    file.put_both(0, root);
    CHECK_THROWS_AS(file.read(), OtherVersion);
    file = write(example());
    file.bytes[0] = std::byte{1};
    CHECK_THROWS_WITH(file.read(), Catch::Contains("magic"));
    file.bytes.resize(5000);
    CHECK_THROWS_WITH(file.read(), Catch::Contains("it has 5000 bytes"));
}

TEST_CASE("regions are at least 1 MiB, and at most 64 Ki")
{
    CHECK(Layout(1).regions == 1);
    CHECK(Layout(64ULL << 30).region == 1 << 20);
    CHECK(Layout(64ULL << 30).regions == 64 << 10);
    CHECK(Layout((64ULL << 30) + 1).region == 2 << 20);
    CHECK(Layout(1ULL << 60).regions <= most_regions);
}
