// SPDX-License-Identifier: BSD-3-Clause
//
// The vote, against the results that QEMU's quorum gives for the same ballots,
// and against a second, simpler way to count, over all ballots of up to five
// children.
#include "common/core/vote.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <functional>
#include <string>
#include <utility>
#include <vector>

using resilience::Ballot;
using resilience::count_votes;
using resilience::Vote;
using resilience::vote_on_errors;

namespace {

using Indices = std::vector<std::size_t>;

/// Contents A, B and C differ in one byte each, at the end: equal beginnings
/// must not make versions equal.  A block and a half, as comparison goes by
/// blocks.
std::vector<std::byte> content(char name)
{
    std::vector<std::byte> data(6144, std::byte{0x5a});
    data.back() = std::byte(name);
    return data;
}

/// Holds what Ballots point at.  Every ballot has its own copy.
class Ballots {
public:
    /// One character per child: A, B, C hold content, e failed with EIO, n
    /// with ENOSPC, m with ENOMEM.
    explicit Ballots(const std::string& children)
    {
        for (const char child : children) {
            buffers_.push_back(content(child));
        }
        for (std::size_t i = 0; i < children.size(); i++) {
            const int error = error_of(children[i]);
            // The buffer of a failed read holds anything; here even a content
            // that others hold.
            ballots_.push_back({error, error == 0 ? buffers_[i] : buffers_[0]});
        }
    }

    static int error_of(char child)
    {
        switch (child) {
        case 'e': return EIO;
        case 'n': return ENOSPC;
        case 'm': return ENOMEM;
        default: return 0;
        }
    }

    operator std::span<const Ballot>() const { return ballots_; }
    char winner(const Vote& vote) const
    {
        return static_cast<char>(ballots_[vote.winner].data.back());
    }

private:
    std::vector<std::vector<std::byte>> buffers_;
    std::vector<Ballot> ballots_;
};

void expect_content(const std::string& children, std::size_t threshold, char winner,
                    const Indices& losers)
{
    CAPTURE(children, threshold);
    const Ballots ballots(children);
    const Vote vote = count_votes(ballots, threshold);
    REQUIRE(vote.error == 0);
    CHECK(ballots.winner(vote) == winner);
    CHECK(vote.winner == children.find(winner));
    CHECK(vote.votes ==
          static_cast<std::size_t>(std::count(children.begin(), children.end(), winner)));
    CHECK(vote.losers == losers);
    CHECK(vote.agreed == losers.empty());
}

void expect_error(const std::string& children, std::size_t threshold, int error)
{
    CAPTURE(children, threshold);
    const Vote vote = count_votes(Ballots(children), threshold);
    CHECK(vote.error == error);
    CHECK(vote.losers.empty());
}

}  // namespace

TEST_CASE("vote: A A A, threshold 1 to 3, is A with nobody to report", "[vote]")
{
    expect_content("AAA", 1, 'A', {});
    expect_content("AAA", 2, 'A', {});
    expect_content("AAA", 3, 'A', {});
}

TEST_CASE("vote: A B A, threshold 2, is A and reports 1", "[vote]")
{
    expect_content("ABA", 2, 'A', {1});
}

TEST_CASE("vote: A B A, threshold 3, is EIO and accuses nobody", "[vote]")
{
    expect_error("ABA", 3, EIO);
}

TEST_CASE("vote: A B C, threshold 2, is EIO and accuses nobody", "[vote]")
{
    expect_error("ABC", 2, EIO);
}

TEST_CASE("vote: A B C, threshold 1, is C and reports 1 then 0", "[vote]")
{
    expect_content("ABC", 1, 'C', {1, 0});
}

TEST_CASE("vote: A A B B, threshold 2, is B and reports 1 then 0", "[vote]")
{
    expect_content("AABB", 2, 'B', {1, 0});
}

TEST_CASE("vote: A B A B, threshold 2, is B and reports 2 then 0", "[vote]")
{
    expect_content("ABAB", 2, 'B', {2, 0});
}

TEST_CASE("vote: A A B B, threshold 3, is EIO and accuses nobody", "[vote]")
{
    expect_error("AABB", 3, EIO);
}

TEST_CASE("vote: e A A, threshold 2, is A; the error has no vote", "[vote]")
{
    expect_content("eAA", 2, 'A', {});
}

TEST_CASE("vote: e A B, threshold 1, is B and reports 1", "[vote]")
{
    expect_content("eAB", 1, 'B', {1});
}

TEST_CASE("vote: e A A, threshold 3, is the error vote", "[vote]")
{
    expect_error("eAA", 3, EIO);
    expect_error("nAA", 3, ENOSPC);  // not just any EIO
}

TEST_CASE("vote: e A B, threshold 2, has no winner", "[vote]")
{
    expect_error("eAB", 2, EIO);
    expect_error("nAB", 2, EIO);  // enough answered, so it is no vote on errors
}

TEST_CASE("vote: EIO ENOSPC A, threshold 2, is ENOSPC", "[vote]")
{
    expect_error("enA", 2, ENOSPC);
}

TEST_CASE("vote: EIO EIO ENOSPC, threshold 1, is EIO", "[vote]")
{
    expect_error("een", 1, EIO);
}

TEST_CASE("vote: the losers stand by version, newest first, highest index first", "[vote]")
{
    expect_content("ABCABCC", 3, 'C', {4, 1, 3, 0});
    expect_content("BACABCA", 3, 'A', {5, 2, 4, 0});
}

TEST_CASE("vote: two children that differ, threshold 1, fall to the higher index", "[vote]")
{
    expect_content("AB", 1, 'B', {0});
    expect_content("BA", 1, 'A', {0});
    expect_error("AB", 2, EIO);
}

TEST_CASE("vote: one child alone decides", "[vote]")
{
    expect_content("A", 1, 'A', {});
    expect_content("eAe", 1, 'A', {});
    expect_error("m", 1, ENOMEM);
}

TEST_CASE("vote: nobody answered", "[vote]")
{
    expect_error("", 1, EIO);
    expect_error("e", 1, EIO);
    expect_error("eenn", 2, ENOSPC);
}

TEST_CASE("vote: a threshold that cannot be reached is EIO, whoever agrees", "[vote]")
{
    expect_error("AAA", 4, EIO);
}

TEST_CASE("vote: children wrong in different places are different versions", "[vote]")
{
    std::vector<std::byte> right(6144, std::byte{0});
    std::vector<std::byte> first = right;
    std::vector<std::byte> last = right;
    first.front() = std::byte{1};
    last.back() = std::byte{1};
    const std::array<Ballot, 4> two_right{
        {{0, first}, {0, right}, {0, last}, {0, right}}};
    const Vote vote = count_votes(two_right, 2);
    CHECK(vote.error == 0);
    CHECK(vote.winner == 1);
    CHECK(vote.votes == 2);
    CHECK(vote.losers == Indices{2, 0});

    const std::array<Ballot, 3> one_right{{{0, first}, {0, right}, {0, last}}};
    CHECK(count_votes(one_right, 2).error == EIO);
}

TEST_CASE("vote: empty contents agree", "[vote]")
{
    const std::array<Ballot, 3> ballots{};
    const Vote vote = count_votes(ballots, 3);
    CHECK(vote.error == 0);
    CHECK(vote.agreed);
    CHECK(vote.votes == 3);
}

TEST_CASE("vote on errors: the most frequent, on a tie the one first seen last", "[vote]")
{
    const auto elected = [](std::vector<int> errors) { return vote_on_errors(errors); };
    CHECK(elected({EIO, ENOSPC}) == ENOSPC);
    CHECK(elected({ENOSPC, EIO}) == EIO);
    CHECK(elected({EIO, EIO, ENOSPC}) == EIO);
    CHECK(elected({ENOSPC, EIO, EIO}) == EIO);
    // First seen at the highest index, not last seen: ENOSPC appears later,
    // though an EIO stands behind it.
    CHECK(elected({EIO, ENOSPC, ENOSPC, EIO}) == ENOSPC);
    CHECK(elected({EIO, ENOSPC, EIO, ENOSPC, ENOMEM}) == ENOSPC);
    CHECK(elected({EIO, ENOSPC, ENOMEM}) == ENOMEM);
}

TEST_CASE("vote on errors: a write that ok, EIO, ENOSPC ends is ENOSPC", "[vote]")
{
    const std::array errors{0, EIO, ENOSPC};
    CHECK(vote_on_errors(errors) == ENOSPC);
}

TEST_CASE("vote on errors: a write that ok, ENOSPC, ok ends, threshold 3, is ENOSPC", "[vote]")
{
    const std::array errors{0, ENOSPC, 0};
    CHECK(vote_on_errors(errors) == ENOSPC);
}

TEST_CASE("vote on errors: many successes are no vote for success", "[vote]")
{
    const std::array errors{0, 0, 0, 0, EROFS, 0};
    CHECK(vote_on_errors(errors) == EROFS);
}

TEST_CASE("vote on errors: without an error it is EIO, never success", "[vote]")
{
    CHECK(vote_on_errors({}) == EIO);
    const std::array none{0, 0};
    CHECK(vote_on_errors(none) == EIO);
}

namespace {

/// The same rules, counted on letters, by sorting instead of grouping.
struct Expected {
    int error = 0;
    bool agreed = false;
    std::size_t winner = 0;
    std::size_t votes = 0;
    Indices losers;
};

/// For each kind among `members`: (how many, first index), and the kind that
/// is the greatest by that pair.
char most_frequent(const std::string& children, const std::function<bool(char)>& takes_part)
{
    std::pair<long, std::size_t> best{0, 0};
    char elected = 0;
    for (const char kind : children) {
        const std::pair<long, std::size_t> score{
            std::count(children.begin(), children.end(), kind), children.find(kind)};
        if (takes_part(kind) && score > best) {
            best = score;
            elected = kind;
        }
    }
    return elected;
}

Expected count_simply(const std::string& children, std::size_t threshold)
{
    const auto has_failed = [](char child) { return Ballots::error_of(child) != 0; };
    const std::size_t failed = std::count_if(children.begin(), children.end(), has_failed);
    const std::size_t answered = children.size() - failed;
    Expected result;
    if (answered < threshold) {
        const char error = most_frequent(children, has_failed);
        result.error = error == 0 ? EIO : Ballots::error_of(error);
        return result;
    }
    const char winner = most_frequent(children, std::not_fn(has_failed));
    const std::size_t votes = std::count(children.begin(), children.end(), winner);
    if (votes < threshold) {
        result.error = EIO;
        return result;
    }
    result.winner = children.find(winner);
    result.votes = votes;
    result.agreed = votes == answered;
    for (std::size_t i = 0; i < children.size(); i++) {
        if (!has_failed(children[i]) && children[i] != winner) {
            result.losers.push_back(i);
        }
    }
    std::sort(result.losers.begin(), result.losers.end(), [&](std::size_t a, std::size_t b) {
        return std::pair(children.find(children[a]), a) > std::pair(children.find(children[b]), b);
    });
    return result;
}

bool counted_alike(const std::string& children, std::size_t threshold)
{
    const Expected expected = count_simply(children, threshold);
    const Vote vote = count_votes(Ballots(children), threshold);
    if (vote.error != expected.error || vote.agreed != expected.agreed ||
        vote.losers != expected.losers) {
        return false;
    }
    return vote.error != 0 || (vote.winner == expected.winner && vote.votes == expected.votes);
}

/// Calls action(children) for every string of `length` letters of `alphabet`.
void for_each_word(const std::string& alphabet, std::size_t length,
                   const std::function<void(const std::string&)>& action, std::string word = {})
{
    if (word.size() == length) {
        action(word);
        return;
    }
    for (const char letter : alphabet) {
        for_each_word(alphabet, length, action, word + letter);
    }
}

}  // namespace

TEST_CASE("vote: all ballots of up to five children, every threshold", "[vote]")
{
    std::size_t counted = 0;
    for (std::size_t children = 0; children <= 5; children++) {
        for_each_word("ABCen", children, [&](const std::string& ballots) {
            for (std::size_t threshold = 1; threshold <= children + 1; threshold++) {
                counted++;
                if (!counted_alike(ballots, threshold)) {
                    FAIL("wrong for ballots '" << ballots << "', threshold " << threshold);
                }
            }
        });
    }
    CHECK(counted == 1 * 1 + 5 * 2 + 25 * 3 + 125 * 4 + 625 * 5 + 3125 * 6);
}

TEST_CASE("vote on errors: all lists of up to five of 0, EIO, ENOSPC, ENOMEM", "[vote]")
{
    for (std::size_t children = 0; children <= 5; children++) {
        for_each_word("Aenm", children, [](const std::string& ballots) {
            std::vector<int> errors;
            for (const char child : ballots) {
                errors.push_back(Ballots::error_of(child));
            }
            const char elected = most_frequent(ballots, [](char child) { return child != 'A'; });
            const int expected = elected == 0 ? EIO : Ballots::error_of(elected);
            if (vote_on_errors(errors) != expected) {
                FAIL("wrong for '" << ballots << "'");
            }
        });
    }
}
