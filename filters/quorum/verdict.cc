// SPDX-License-Identifier: BSD-3-Clause
#include "filters/quorum/verdict.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

namespace resilience::quorum {

namespace {

std::size_t online(const Facts& facts)
{
    return static_cast<std::size_t>(std::ranges::count(facts.members, true, &MemberFacts::online));
}

Trouble missing(const MemberFacts& member)
{
    const std::string more =
        member.stale_bytes == 0 ? "" : fmt::format("; it misses {} bytes", member.stale_bytes);
    return {Word::degraded, fmt::format("'{}' is missing: {}{}", member.name, member.absence, more),
            fmt::format("bring '{0}' back; if it is lost for good: child-add another one, then "
                        "child-remove child={0}",
                        member.name)};
}

Trouble foreign(const MemberFacts& member)
{
    return {Word::degraded,
            fmt::format("'{}' is foreign, another disk or an old copy, and not used: {}", member.name,
                        member.foreign),
            fmt::format("look whether it is the right disk; nbdctl SOCKET child-accept child={0} has "
                        "it filled, and what it holds is lost; or child-add another one, then "
                        "child-remove child={0}",
                        member.name)};
}

Trouble not_copied(const MemberFacts& member)
{
    const std::string what = fmt::format("'{}' misses {} bytes", member.name, member.stale_bytes);
    if (member.cancelled) {
        return {Word::degraded, what + ", and its resync was cancelled",
                "resync-start child=" + member.name};
    }
    if (member.paused) {
        return {Word::degraded, what + ", and its resync is paused",
                "resync-resume child=" + member.name};
    }
    return {Word::degraded, what + ", and cannot be copied to " + member.blocked,
            fmt::format("bring back the members that hold it; if you know that '{0}' has lost "
                        "nothing: assume-clean child={0}",
                        member.name)};
}

Trouble differs(const MemberFacts& member, bool heals)
{
    if (member.last_copy) {
        return {Word::differs,
                fmt::format("'{}' has data where the others have zeroes: it may be the last copy",
                            member.name),
                fmt::format("copy '{}' away and look at it, before anything else; then write "
                            "there what is right",
                            member.name)};
    }
    return {Word::differs,
            fmt::format("'{}' holds something else than the others, or cannot be read, in {} bytes",
                        member.name, member.differing_bytes),
            heals ? "read what differs: it is rewritten"
                  : "copy it anew: resync-start full=true child=" + member.name};
}

std::vector<Trouble> failures(const Facts& facts)
{
    std::vector<Trouble> found;
    const std::size_t there = online(facts);
    if (facts.unreadable_bytes != 0) {
        found.push_back(
            {Word::failed,
             fmt::format("unreadable: {} bytes: fewer than {} of the members that are there hold "
                         "what is right",
                         facts.unreadable_bytes, facts.read_votes),
             there == facts.members.size()
                 ? "write again what the members disagree about; if you know that a member has "
                   "lost nothing: assume-clean"
                 : "bring back the members that are missing, first those that were current"});
    }
    if (there < facts.threshold) {
        found.push_back({Word::failed,
                         fmt::format("nothing can be written: {} of {} members are there, and {} "
                                     "are needed",
                                     there, facts.members.size(), facts.threshold),
                         {}});
    }
    return found;
}

std::vector<Trouble> all_troubles(const Facts& facts)
{
    std::vector<Trouble> all;
    if (facts.fenced) {
        all.push_back({Word::failed, "another server has taken this set over",
                       "end this server; if the other one is the wrong one, end that and start "
                       "this one again"});
    }
    std::ranges::move(failures(facts), std::back_inserter(all));
    for (const std::string& copy : facts.lost_copies) {
        all.push_back({Word::degraded, "a copy of the memory is lost: " + copy,
                       "bring its place back: the copy is then written anew"});
    }
    for (const MemberFacts& member : facts.members) {
        std::ranges::move(troubles_of(member, facts.heals), std::back_inserter(all));
    }
    if (facts.unsettled_bytes != 0) {
        all.push_back({Word::resyncing,
                       fmt::format("in {} bytes writes may have been under way when the last "
                                   "server ended, or one member was called right; the members "
                                   "are being made equal there",
                                   facts.unsettled_bytes),
                       "wait"});
    }
    if (facts.compared == false) {
        all.push_back({Word::never_compared, "the members have not been compared", "scrub"});
    }
    if (facts.has_memory == false) {
        all.push_back({Word::without_memory, "who is current is forgotten at a restart",
                       "give quorum-memory at the next start"});
    }
    std::ranges::stable_sort(all, {}, &Trouble::word);
    return all;
}

/// One more of the members that are there can fail so many times until something
/// cannot be read any more, or written.
std::size_t survivable(const Facts& facts)
{
    const std::size_t there = online(facts);
    if (there < facts.threshold || facts.fewest < facts.read_votes) {
        return 0;
    }
    return std::min(there - facts.threshold, facts.fewest - facts.read_votes);
}

}  // namespace

std::string_view to_string(Word word)
{
    switch (word) {
    case Word::failed: return "failed";
    case Word::degraded: return "degraded";
    case Word::differs: return "differs";
    case Word::resyncing: return "resyncing";
    case Word::never_compared: return "never-compared";
    case Word::without_memory: return "without-memory";
    case Word::healthy: return "healthy";
    }
    return "unknown";
}

std::vector<Trouble> troubles_of(const MemberFacts& member, bool heals)
{
    std::vector<Trouble> found;
    if (!member.foreign.empty()) {
        found.push_back(foreign(member));
        return found;
    }
    if (!member.online) {
        found.push_back(missing(member));
    }
    const bool stopped = member.paused || member.cancelled || !member.blocked.empty();
    if (member.stale_bytes != 0 && stopped) {
        found.push_back(not_copied(member));
    } else if (member.stale_bytes != 0 && member.online) {
        found.push_back({Word::resyncing,
                         fmt::format("'{}' misses {} bytes, which are being copied", member.name,
                                     member.stale_bytes),
                         "wait: nbdctl SOCKET wait-resync"});
    }
    if (member.unrecorded && member.online && member.stale_bytes == 0) {
        found.push_back({Word::resyncing,
                         fmt::format("'{}' has everything, and that is being recorded", member.name),
                         "wait: nbdctl SOCKET wait-resync"});
    }
    if (member.differing_bytes != 0) {
        found.push_back(differs(member, heals));
    }
    std::ranges::stable_sort(found, {}, &Trouble::word);
    return found;
}

Verdict judge(const Facts& facts)
{
    Verdict verdict;
    for (Trouble& trouble : all_troubles(facts)) {
        verdict.word = std::min(verdict.word, trouble.word);
        const bool says_so = trouble.word == Word::failed;
        verdict.details.push_back(says_so ? trouble.text
                                          : fmt::format("{}: {}", to_string(trouble.word),
                                                        trouble.text));
        if (!trouble.advice.empty() && std::ranges::count(verdict.advice, trouble.advice) == 0) {
            verdict.advice.push_back(std::move(trouble.advice));
        }
    }
    verdict.survivable_failures = survivable(facts);
    // Not while the set is about to survive more by itself.
    if (verdict.survivable_failures == 0 && verdict.word >= Word::never_compared &&
        facts.may_grow) {
        verdict.advice.push_back("child-add another one: the first member that is lost stops "
                                 "everything");
    }
    return verdict;
}

}  // namespace resilience::quorum
