// SPDX-License-Identifier: BSD-3-Clause
#include "filters/quorum/differences.h"

#include <algorithm>
#include <limits>

#include "common/core/compare.h"
#include "filters/quorum/read.h"

namespace resilience::quorum {

void Differences::add_unread(ByteRange range)
{
    const std::lock_guard lock(mutex_);
    unread_.add(range);
    note_any();
}

void Differences::forget_unread()
{
    const std::lock_guard lock(mutex_);
    unread_.remove({0, std::numeric_limits<std::uint64_t>::max()});
    note_any();
}

void Differences::add_where(std::span<const std::byte> right, std::span<const std::byte> wrong,
                            std::uint64_t offset)
{
    const std::lock_guard lock(mutex_);
    const std::uint64_t end = offset + right.size();
    std::uint64_t at = offset;
    while (at < end) {
        const auto first = first_difference(right.subspan(at - offset), wrong.subspan(at - offset));
        if (!first) {
            break;
        }
        const std::uint64_t sector = (at + *first) / sector_size * sector_size;
        wrong_.add({std::max(sector, offset), std::min(sector + sector_size, end)});
        at = sector + sector_size;
    }
    note_any();
}

void Differences::remove(ByteRange range)
{
    if (!any()) {
        return;
    }
    const std::lock_guard lock(mutex_);
    wrong_.remove(range);
    unread_.remove(range);
    note_any();
}

std::vector<ByteRange> Differences::ranges() const
{
    const std::lock_guard lock(mutex_);
    IntervalSet both = wrong_;
    for (const ByteRange& range : unread_.ranges()) {
        both.add(range);
    }
    return both.ranges();
}

namespace {

/// No version has enough votes: nobody can be accused, and so all are suspected
/// where they are not of one mind.
void note_disagreement(ByteRange range, std::span<const Heard> heard)
{
    const auto answered = [](const Heard& one) { return one.error == 0; };
    const auto first = std::ranges::find_if(heard, answered);
    for (const Heard& one : heard) {
        if (answered(one)) {
            for (const Heard& accused : heard) {
                if (answered(accused)) {
                    accused.child->differences().add_where(first->data, one.data, range.begin);
                }
            }
        }
    }
}

}  // namespace

void note_vote(ByteRange range, std::span<const Heard> heard, const Vote& vote)
{
    for (std::size_t i = 0; i < heard.size(); i++) {
        Differences& known = heard[i].child->differences();
        if (worth_rewriting(heard[i].error)) {
            known.add_unread(range);
        } else if (heard[i].error == 0 && vote.error == 0) {
            known.remove(range);
            if (std::ranges::count(vote.losers, i) != 0) {
                known.add_where(heard[vote.winner].data, heard[i].data, range.begin);
            }
        }
    }
    if (vote.error != 0) {
        note_disagreement(range, heard);
    }
}

}  // namespace resilience::quorum
