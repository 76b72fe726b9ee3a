// SPDX-License-Identifier: BSD-3-Clause
//
// The content map against a plain array of bytes.
#include "common/replay/content_map.h"

#include <catch2/catch.hpp>

#include <map>
#include <utility>
#include <vector>

#include "tests/unit/seed.h"

using namespace resilience::writelog;
using resilience::test::Random;

namespace {

/// Per byte: its source, and its place in it.
using Plain = std::vector<std::pair<Source, std::uint64_t>>;

Plain nothing(std::uint64_t size) { return Plain(size, {Source::base, 0}); }

void put(Plain& plain, const Piece& piece)
{
    for (std::uint64_t i = 0; i < piece.length; i++) {
        plain[piece.offset + i] = {piece.source,
                                   piece.source == Source::log ? piece.position + i : 0};
    }
}

/// What the map says of [offset, offset + length), and that it says it well.
Plain read(const ContentMap& map, std::uint64_t offset, std::uint64_t length)
{
    Plain result;
    std::uint64_t at = offset;
    for (const Piece& piece : map.pieces(offset, length)) {
        REQUIRE(piece.offset == at);
        REQUIRE(piece.length > 0);
        for (std::uint64_t i = 0; i < piece.length; i++) {
            result.emplace_back(piece.source,
                                piece.source == Source::log ? piece.position + i : 0);
        }
        at = piece.end();
    }
    REQUIRE(at == offset + length);
    return result;
}

Piece random_piece(Random& random, std::uint64_t size)
{
    Piece piece;
    piece.offset = random.between(0, size - 1);
    piece.length = random.between(1, std::min<std::uint64_t>(size - piece.offset,
                                                             random.one_in(10) ? size : 20));
    piece.source = static_cast<Source>(random.between(0, 2));
    piece.position = piece.source == Source::log ? random.between(0, 3) * 1000 + piece.offset : 0;
    return piece;
}

}  // namespace

TEST_CASE("an empty map is the base")
{
    const ContentMap map;
    CHECK(map.pieces(5, 10) == std::vector<Piece>{{5, 10, Source::base, 0}});
    CHECK(map.pieces().empty());
    CHECK(map.size() == 0);
}

TEST_CASE("pieces that continue each other are one")
{
    ContentMap map;
    map.put({0, 10, Source::log, 100});
    map.put({20, 10, Source::log, 120});
    map.put({10, 10, Source::log, 110});
    CHECK(map.pieces() == std::vector<Piece>{{0, 30, Source::log, 100}});
    map.put({30, 5, Source::log, 999});
    CHECK(map.pieces().size() == 2);
}

TEST_CASE("a map is what was put last, for random pieces")
{
    Random random;
    for (int round = 0; round < 30; round++) {
        const std::uint64_t size = random.between(50, 5000);
        ContentMap map;
        Plain plain = nothing(size);
        for (int i = 0; i < 400; i++) {
            const Piece piece = random_piece(random, size);
            map.put(piece);
            put(plain, piece);
            if (random.one_in(20)) {
                REQUIRE(read(map, 0, size) == plain);
            }
            const std::uint64_t offset = random.between(0, size - 1);
            const std::uint64_t length = random.between(1, size - offset);
            REQUIRE(read(map, offset, length) ==
                    Plain(plain.begin() + static_cast<std::ptrdiff_t>(offset),
                          plain.begin() + static_cast<std::ptrdiff_t>(offset + length)));
        }
        Plain put_again = nothing(size);
        for (const Piece& piece : map.pieces()) {
            put(put_again, piece);
        }
        REQUIRE(put_again == plain);
    }
}

TEST_CASE("copies go their own way")
{
    Random random;
    constexpr std::uint64_t size = 3000;
    std::vector<std::pair<ContentMap, Plain>> versions(1, {ContentMap{}, nothing(size)});
    for (int i = 0; i < 500; i++) {
        auto next = versions[random.between(0, versions.size() - 1)];
        const Piece piece = random_piece(random, size);
        next.first.put(piece);
        put(next.second, piece);
        versions.push_back(std::move(next));
    }
    for (const auto& [map, plain] : versions) {
        REQUIRE(read(map, 0, size) == plain);
    }
}

TEST_CASE("pieces that lie apart, in any order, make full leaves")
{
    ContentMap up, down;
    for (std::uint64_t i = 0; i < 5000; i++) {
        up.put({i * 10, 5, Source::log, i * 1000});
        down.put({(4999 - i) * 10, 5, Source::log, (4999 - i) * 1000});
    }
    CHECK(up.size() == 5000);
    CHECK(down.size() == 5000);
    CHECK(up.pieces() == down.pieces());
}
