// SPDX-License-Identifier: BSD-3-Clause
#include "common/core/vote.h"

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "common/core/compare.h"

namespace resilience {

namespace {

/// Replicas that hold the same content, by ascending index; the first one is
/// where the content is taken from.
using Holders = std::vector<std::size_t>;

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

/// The versions of the data among those that answered.  Comparing ends at the first
/// difference, so it costs less than any checksum of all answers, however many
/// versions there are, and no liar can make two of them look alike.
std::vector<Holders> group_by_content(std::span<const Ballot> ballots, const Holders& answered)
{
    std::vector<Holders> versions;
    for (const std::size_t i : answered) {
        const auto known = std::find_if(versions.begin(), versions.end(), [&](const Holders& v) {
            return !first_difference(ballots[v.front()].data, ballots[i].data);
        });
        if (known != versions.end()) {
            known->push_back(i);
        } else {
            versions.push_back({i});
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

/// Those of one standing that answered.
Holders answered_as(std::span<const Ballot> ballots, Standing standing)
{
    Holders answered;
    for (std::size_t i = 0; i < ballots.size(); i++) {
        if (ballots[i].error == 0 && ballots[i].standing == standing) {
            answered.push_back(i);
        }
    }
    return answered;
}

}  // namespace

Vote count_votes(std::span<const Ballot> ballots, std::size_t threshold)
{
    Holders answered;
    answered.reserve(ballots.size());
    for (std::size_t i = 0; i < ballots.size(); i++) {
        if (ballots[i].error == 0) {
            answered.push_back(i);
        }
    }

    Vote vote;
    if (answered.empty() || answered.size() < threshold) {
        std::vector<int> errors;
        std::transform(ballots.begin(), ballots.end(), std::back_inserter(errors),
                       [](const Ballot& ballot) { return ballot.error; });
        vote.error = vote_on_errors(errors);
        return vote;
    }
    const auto versions = group_by_content(ballots, answered);
    vote.agreed = versions.size() == 1;
    elect(vote, versions, threshold);
    return vote;
}

Vote elect_among_all(std::span<const Ballot> ballots, std::size_t threshold, std::size_t members)
{
    std::vector<Ballot> heard(ballots.begin(), ballots.end());
    for (Ballot& ballot : heard) {
        ballot.error = ballot.standing == Standing::current ? ballot.error : EIO;
    }
    const Vote of_current = count_votes(heard, threshold);
    if (of_current.error == 0) {
        return of_current;
    }
    const Holders current = answered_as(ballots, Standing::current);
    const bool majority = 2 * threshold > members;
    for (std::size_t i = 0; i < ballots.size(); i++) {
        if (ballots[i].standing == Standing::current || ballots[i].error != 0) {
            continue;
        }
        const bool kept = ballots[i].standing == Standing::missed && majority;
        const bool held = std::any_of(current.begin(), current.end(), [&](std::size_t c) {
            return !first_difference(ballots[c].data, ballots[i].data);
        });
        const bool confirms = held && (kept || current.size() < threshold);
        if (current.empty() ? kept : confirms) {
            heard[i].error = 0;
        }
    }
    return count_votes(heard, threshold);
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
