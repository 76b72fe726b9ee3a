// SPDX-License-Identifier: BSD-3-Clause
#include "common/core/vote.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>

#include <openssl/evp.h>

#include "common/core/compare.h"

namespace resilience {

namespace {

/// Replicas that hold the same content, by ascending index; the first one is
/// where the content is taken from.
using Holders = std::vector<std::size_t>;

using Digest = std::array<unsigned char, 32>;

Digest sha256(std::span<const std::byte> data)
{
    Digest digest{};
    if (EVP_Digest(data.data(), data.size(), digest.data(), nullptr, EVP_sha256(), nullptr) != 1) {
        throw std::runtime_error("SHA-256 is not available in OpenSSL");
    }
    return digest;
}

/// The group with most members; of equal ones the last, that is, the one whose
/// first member has the highest index (groups stand in the order of their first
/// members).  Data and errors are voted on by this one rule.
std::size_t largest_group(std::span<const Holders> groups)
{
    std::size_t best = 0;
    for (std::size_t i = 1; i < groups.size(); i++) {
        if (groups[i].size() >= groups[best].size()) {
            best = i;
        }
    }
    return best;
}

bool all_equal(std::span<const Ballot> ballots, const Holders& answered)
{
    return std::all_of(answered.begin() + 1, answered.end(), [&](std::size_t i) {
        return !first_difference(ballots[answered.front()].data, ballots[i].data);
    });
}

/// Two answers need one comparison.  With more, a digest of each makes the
/// grouping linear; contents that differ in their digest differ.
std::vector<Holders> group_versions(std::span<const Ballot> ballots, const Holders& answered)
{
    std::vector<Holders> versions;
    if (answered.size() <= 2) {
        for (const std::size_t i : answered) {
            versions.push_back({i});
        }
        return versions;  // the caller knows already that the two differ
    }
    std::vector<Digest> digests;
    for (const std::size_t i : answered) {
        const Digest digest = sha256(ballots[i].data);
        const auto known = std::find(digests.begin(), digests.end(), digest);
        if (known == digests.end()) {
            digests.push_back(digest);
            versions.push_back({i});
        } else {
            versions[known - digests.begin()].push_back(i);
        }
    }
    return versions;
}

void elect(Vote& vote, const std::vector<Holders>& versions, std::size_t threshold)
{
    const std::size_t winner = largest_group(versions);
    vote.votes = versions[winner].size();
    if (vote.votes < threshold) {
        vote.error = EIO;
        return;
    }
    vote.winner = versions[winner].front();
    for (std::size_t v = versions.size(); v-- > 0;) {
        if (v != winner) {
            vote.losers.insert(vote.losers.end(), versions[v].rbegin(), versions[v].rend());
        }
    }
}

}  // namespace

Vote count_votes(std::span<const Ballot> ballots, std::size_t threshold)
{
    Holders answered;
    std::vector<int> errors;
    for (std::size_t i = 0; i < ballots.size(); i++) {
        errors.push_back(ballots[i].error);
        if (ballots[i].error == 0) {
            answered.push_back(i);
        }
    }

    Vote vote;
    if (answered.empty() || answered.size() < threshold) {
        vote.error = vote_on_errors(errors);
        return vote;
    }
    if (all_equal(ballots, answered)) {
        vote.agreed = true;
        vote.winner = answered.front();
        vote.votes = answered.size();
        return vote;
    }
    elect(vote, group_versions(ballots, answered), threshold);
    return vote;
}

int vote_on_errors(std::span<const int> errors)
{
    std::vector<int> kinds;
    std::vector<Holders> groups;
    for (std::size_t i = 0; i < errors.size(); i++) {
        if (errors[i] == 0) {
            continue;
        }
        const auto known = std::find(kinds.begin(), kinds.end(), errors[i]);
        if (known == kinds.end()) {
            kinds.push_back(errors[i]);
            groups.push_back({i});
        } else {
            groups[known - kinds.begin()].push_back(i);
        }
    }
    return groups.empty() ? EIO : kinds[largest_group(groups)];
}

}  // namespace resilience
