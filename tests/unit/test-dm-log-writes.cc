// SPDX-License-Identifier: BSD-3-Clause
//
// The dm-log-writes format: the bytes that others write and read, and that our
// extensions are whole or absent.
#include "common/format/dm_log_writes.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <span>

#include "common/format/little_endian.h"
#include "tests/unit/seed.h"

using namespace resilience;
using namespace resilience::writelog;

namespace {

std::string hex(std::span<const std::byte> bytes)
{
    constexpr char digits[] = "0123456789abcdef";
    std::string text;
    for (const std::byte each : bytes) {
        text += digits[std::to_integer<unsigned>(each) >> 4];
        text += digits[std::to_integer<unsigned>(each) & 15];
    }
    return text;
}

bool all_zero(std::span<const std::byte> bytes)
{
    return std::ranges::all_of(bytes, [](std::byte each) { return each == std::byte{0}; });
}

EntryExtension some_extension()
{
    EntryExtension extension;
    extension.kind = Kind::write;
    extension.fua = true;
    extension.first = false;
    extension.last = true;
    extension.issued = 1;
    extension.completed = 0x0102030405060708;
    extension.issued_ns = 3;
    extension.completed_ns = 4;
    extension.offset = 5;
    extension.length = 6;
    extension.connection = 7;
    extension.log_id = 8;
    extension.body_hash = 9;
    return extension;
}

}  // namespace

TEST_CASE("a superblock has the bytes that QEMU and the kernel write")
{
    HeaderBytes bytes;
    encode(Superblock{1, 9, 512, {}}, bytes);
    CHECK(hex(std::span(bytes).first(28)) ==
          "7268737766736a00" "0100000000000000" "0900000000000000" "00020000");
    CHECK(all_zero(std::span(bytes).subspan(28)));
    CHECK(decode_superblock(bytes) == Superblock{1, 9, 512, {}});
}

TEST_CASE("a superblock's extension leaves the first 32 bytes alone")
{
    const Superblock super{1, 3, 4096, SuperExtension{1 << 20, 5, 6, "0.1.0"}};
    HeaderBytes with, without;
    encode(super, with);
    encode(Superblock{1, 3, 4096, {}}, without);
    CHECK(std::ranges::equal(std::span(with).first(32), std::span(without).first(32)));
    CHECK(decode_superblock(with) == super);
}

TEST_CASE("a superblock without magic, or cut, is none")
{
    HeaderBytes bytes;
    encode(Superblock{}, bytes);
    CHECK(decode_superblock(std::span(bytes).first(28)));
    CHECK_FALSE(decode_superblock(std::span(bytes).first(27)));
    CHECK_FALSE(decode_superblock({}));
    bytes[0] = std::byte{0};
    CHECK_FALSE(decode_superblock(bytes));
}

TEST_CASE("entries have the bytes of the format's tables")
{
    HeaderBytes bytes;
    encode(Entry{128, 128, flag_discard}, bytes);
    CHECK(hex(std::span(bytes).first(32)) ==
          "8000000000000000" "8000000000000000" "0400000000000000" "0000000000000000");
    CHECK(all_zero(std::span(bytes).subspan(32)));

    Entry mark{0, 0, flag_mark, 4, "mkfs"};
    encode(mark, bytes);
    CHECK(hex(std::span(bytes).subspan(16, 24)) == "0800000000000000" "0400000000000000"
                                                   "6d6b667300000000");
    CHECK(decode_entry(bytes) == mark);
}

TEST_CASE("an entry's extension is behind what old readers look at")
{
    Entry entry{1, 2, flag_fua};
    entry.extension = some_extension();
    HeaderBytes bytes;
    encode(entry, bytes);
    CHECK(all_zero(std::span(bytes).subspan(24, 16)));
    const Entry decoded = decode_entry(bytes);
    CHECK(decoded == entry);
    CHECK_FALSE(decoded.dirty_padding);
    CHECK_FALSE(decode_entry(std::span(bytes).first(256)).extension);
}

TEST_CASE("a mark's extension gives way to a long text")
{
    for (const std::size_t length : {std::size_t{1}, std::size_t{399}, std::size_t{400},
                                     largest_mark}) {
        Entry mark{0, 0, flag_mark, length, std::string(length, 'x')};
        mark.extension = some_extension();
        HeaderBytes bytes;
        encode(mark, bytes);
        const Entry decoded = decode_entry(bytes);
        CHECK(decoded.mark == mark.mark);
        CHECK(decoded.extension.has_value() == has_room_for_extension(length));
        CHECK(bytes[32 + length] == std::byte{0});
    }
    CHECK(has_room_for_extension(399));
    CHECK_FALSE(has_room_for_extension(400));
}

TEST_CASE("a flipped bit anywhere in a header takes its extension away")
{
    Entry entry{1, 2, 0};
    entry.extension = some_extension();
    HeaderBytes bytes;
    encode(entry, bytes);
    for (std::size_t bit = 0; bit < bytes.size() * 8; bit++) {
        HeaderBytes flipped = bytes;
        flipped[bit / 8] ^= std::byte(1 << bit % 8);
        if (decode_entry(flipped).extension) {
            FAIL("bit " << bit);
        }
    }
    SUCCEED();
}

TEST_CASE("whatever stands there is decoded without a crash")
{
    test::Random random;
    for (int round = 0; round < 20000; round++) {
        std::vector<std::byte> bytes(random.between(smallest_readable_sector, 600));
        for (auto& each : bytes) {
            each = static_cast<std::byte>(random.between(0, 255));
        }
        if (random.one_in(2)) {
            put_le<std::uint64_t>(bytes, 16, flag_mark);
        }
        const Entry entry = decode_entry(bytes);
        REQUIRE(entry.mark.size() <= bytes.size());
        decode_superblock(bytes);
    }
}

TEST_CASE("the hash of a body in pieces is that of the whole")
{
    std::vector<std::byte> body(5000);
    for (std::size_t i = 0; i < body.size(); i++) {
        body[i] = static_cast<std::byte>(i * 7);
    }
    BodyHash hash;
    hash.add(std::span(body).first(100));
    hash.add(std::span(body).subspan(100, 0));
    hash.add(std::span(body).subspan(100));
    CHECK(hash.value() == hash_body(body));
    body[4999] ^= std::byte{1};
    CHECK(hash.value() != hash_body(body));
}

TEST_CASE("sector sizes are powers of two within the limits")
{
    CHECK(is_sector_size(512, smallest_sector));
    CHECK(is_sector_size(8 << 20, smallest_sector));
    CHECK(is_sector_size(32, smallest_readable_sector));
    for (const std::uint64_t bad : {0UL, 1UL, 31UL, 33UL, 256UL, 4095UL, 16UL << 20, 1UL << 32}) {
        CHECK_FALSE(is_sector_size(bad, smallest_sector));
    }
}
