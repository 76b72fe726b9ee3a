// SPDX-License-Identifier: BSD-3-Clause
#include "filters/quorum/status.h"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "common/control/json.h"
#include "filters/quorum/coverage.h"
#include "filters/quorum/resync.h"

namespace resilience::quorum {

namespace {

std::string_view to_string(Link link)
{
    switch (link) {
    case Link::up: return "up";
    case Link::down: return "down";
    case Link::returned: return "returned";
    }
    return "unknown";
}

Json counters_of(const Child& child)
{
    const ChildCounters& c = child.counters;
    return {
        {"reads", c.reads.load()},
        {"writes", c.writes.load()},
        {"flushes", c.flushes.load()},
        {"read-errors", c.read_errors.load()},
        {"write-errors", c.write_errors.load()},
        {"flush-errors", c.flush_errors.load()},
        {"mismatches", c.mismatches.load()},
        {"differing-sectors", c.differing_sectors.load()},
        {"zeroes-against-data", c.zeroes_against_data.load()},
        {"timeouts", c.timeouts.load()},
        {"late-answers", c.late_answers.load()},
        {"rewrites", c.rewrites.load()},
        {"rewrite-errors", c.rewrite_errors.load()},
        {"resynced-bytes", c.resynced_bytes.load()},
        {"links-lost", c.links_lost.load()},
        {"not-compared", c.not_compared.load()},
    };
}

/// In microseconds; null where nothing was measured.
Json latency_us(const Speed& speed)
{
    const auto median = speed.latency.median();
    return median ? Json(std::chrono::ceil<std::chrono::microseconds>(*median).count())
                  : Json(nullptr);
}

/// Where it is known to be wrong; without what is stale, too, which the resync
/// will copy.
std::uint64_t differing_bytes(const Child& child)
{
    std::uint64_t bytes = 0;
    for (const ByteRange& range : child.differences().ranges()) {
        if (!child.stale().any(range)) {
            bytes += range.length();
            continue;
        }
        for (std::uint64_t at = range.begin; at < range.end;) {
            const std::uint64_t granule = (at / stale_granularity + 1) * stale_granularity;
            const ByteRange part{at, std::min(range.end, granule)};
            bytes += child.stale().any(part) ? 0 : part.length();
            at = part.end;
        }
    }
    return bytes;
}

Json describe(const Child& child, TimePoint now)
{
    Json result{
        {"child", child.name()},
        {"node-name", child.node_name()},
        {"spec", child.device().describe()},
        {"state", child.foreign() ? "foreign" : std::string(to_string(child.state()))},
        {"link", std::string(to_string(child.device().link()))},
        {"stale-bytes", child.stale().marked_bytes()},
        {"differing-bytes", differing_bytes(child)},
        {"owed-answers", child.owed()},
        {"timeout-ms",
         std::chrono::duration_cast<std::chrono::milliseconds>(child.timeout()).count()},
        {"resync", std::string(resync_status(child).state)},
        {"relapses", child.relapses()},
        {"waits-ms", std::chrono::ceil<std::chrono::milliseconds>(child.waits(now)).count()},
        {"slow-reads", child.reading.slow.load()},
        {"slow-writes", child.writing.slow.load()},
        {"read-us", latency_us(child.reading)},
        {"write-us", latency_us(child.writing)},
    };
    const std::string error = child.device().link_error();
    if (!error.empty()) {
        result["link-error"] = error;
    }
    if (child.foreign()) {
        result["foreign"] = child.why_foreign();
    }
    result["counters"] = counters_of(child);
    return result;
}

std::string absence_of(const Child& child, TimePoint now)
{
    std::string why;
    if (child.device().link() != Link::up) {
        const std::string error = child.device().link_error();
        why = error.empty() ? "its connection is lost" : error;
    } else if (child.comparing()) {
        why = "it is being compared with what was left there, and has not answered all of it yet";
    } else if (child.owed() > 0) {
        why = fmt::format("it does not answer, and owes {} answers", child.owed());
    } else {
        why = "it did not answer in time";
    }
    const Duration waits = child.waits(now);
    if (waits > Duration::zero()) {
        why += fmt::format(" ({} times), and is left alone for {:.3g} s", child.relapses(),
                           std::chrono::duration<double>(waits).count());
    }
    return why;
}

/// Where nothing can be copied to the child, and why.
std::string blocked_by(const Child& child, const Children& all, std::size_t threshold)
{
    const std::uint64_t at = child.blocked_at;
    const auto current = std::ranges::count_if(
        all, [&](const ChildPtr& other) { return other->current({at, at + 1}); });
    if (static_cast<std::size_t>(current) >= threshold) {
        return fmt::format("at byte {}: {} members are current there, and too few agree", at,
                           current);
    }
    return fmt::format("at byte {}: {} members are current there, and {} are needed", at, current,
                       threshold);
}

MemberFacts facts_of(const Child& child, const Children& all, const QuorumDevice& quorum)
{
    MemberFacts facts;
    facts.name = child.node_name();
    facts.online = child.online();
    if (!facts.online) {
        facts.absence = absence_of(child, quorum.now());
    }
    facts.foreign = child.why_foreign();
    facts.stale_bytes = child.stale().marked_bytes();
    facts.differing_bytes = differing_bytes(child);
    facts.last_copy = child.counters.zeroes_against_data != 0;
    const Memory* const memory = quorum.memory();
    facts.unrecorded = memory != nullptr && child.member != no_member &&
                       !memory->is_recorded_current(child.member);
    facts.paused = child.resync_mode == ResyncMode::paused;
    facts.cancelled = child.resync_mode == ResyncMode::cancelled;
    if (child.resync_blocked) {
        facts.blocked = blocked_by(child, all, quorum.options().threshold);
    }
    return facts;
}

/// Null: there is none.
Json memory_of(const QuorumDevice& quorum)
{
    const Memory* const memory = quorum.memory();
    if (memory == nullptr) {
        return nullptr;
    }
    const memoryfile::Root root = memory->root();
    Json members = Json::array();
    for (const auto& [place, member] : memory->members()) {
        members.push_back({{"name", member.name},
                           {"spec", member.spec},
                           {"state", std::string(to_string(member.state))},
                           {"since", member.since},
                           {"epoch", member.epoch},
                           {"away", member.away}});
    }
    return {{"set", memoryfile::to_string(root.set)},
            {"epoch", root.epoch},
            {"copies", memory->store().copies()},
            {"good-copies", memory->store().good()},
            {"needed-copies", memory->store().needed()},
            {"intended-bytes", memory->intended_bytes()},
            {"witness-places", memory->witnessed()},
            {"fenced", memory->fenced()},
            {"members", members}};
}

Json texts(const std::vector<std::string>& list)
{
    Json array = Json::array();
    for (const std::string& text : list) {
        array.push_back(text);
    }
    return array;
}

}  // namespace

Facts facts_of(const QuorumDevice& quorum)
{
    const Options& options = quorum.options();
    Facts facts;
    facts.threshold = options.threshold;
    facts.read_votes = options.read_pattern == ReadPattern::fifo ? 1 : options.threshold;
    facts.heals = options.rewrite_corrupted;
    facts.may_grow = !options.blkverify;
    std::vector<Holder> holders;
    const Children children = quorum.children();
    for (const ChildPtr& child : children) {
        facts.members.push_back(facts_of(*child, children, quorum));
        if (facts.members.back().online) {
            holders.push_back({&child->stale(), child->differences().ranges()});
        }
    }
    facts.unsettled_bytes = quorum.settler().unsettled_bytes();
    if (quorum.memory() != nullptr) {
        facts.has_memory = true;  // who has not asked for one is not told that it is missing
        facts.fenced = quorum.memory()->fenced();
        facts.lost_copies = quorum.memory()->store().lost();
    }
    const Coverage coverage = cover(holders, quorum.size(), facts.read_votes);
    facts.unreadable_bytes = coverage.unreadable_bytes;
    facts.fewest = coverage.fewest;
    return facts;
}

Json query_status(const QuorumDevice& quorum)
{
    const Options& options = quorum.options();
    const Facts facts = facts_of(quorum);
    const Verdict verdict = judge(facts);
    std::size_t current = 0;
    std::size_t slow = 0;
    std::size_t paused = 0;
    std::size_t foreign = 0;
    int owed = 0;
    for (const MemberFacts& member : facts.members) {
        current += member.online && member.stale_bytes == 0;
        paused += member.paused || member.cancelled;
        foreign += !member.foreign.empty();
    }
    for (const ChildPtr& child : quorum.children()) {
        slow += child->reading.slow || child->writing.slow;
        owed += child->owed();
    }
    return {{"name", options.name},
            {"status", std::string(to_string(verdict.word))},
            {"details", texts(verdict.details)},
            {"advice", texts(verdict.advice)},
            {"survivable-failures", verdict.survivable_failures},
            {"unreadable-bytes", facts.unreadable_bytes},
            {"size", quorum.size()},
            {"threshold", options.threshold},
            {"read-pattern", std::string(to_string(options.read_pattern))},
            {"rewrite-corrupted", options.rewrite_corrupted},
            {"blkverify", options.blkverify},
            {"children", facts.members.size()},
            {"children-online", std::ranges::count(facts.members, true, &MemberFacts::online)},
            {"children-current", current},
            {"children-foreign", foreign},
            {"children-slow", slow},
            {"children-paused", paused},
            {"owed-answers", owed},
            {"unsettled-bytes", facts.unsettled_bytes},
            {"memory", memory_of(quorum)}};
}

Json query_children(const QuorumDevice& quorum)
{
    Json list = Json::array();
    for (const ChildPtr& child : quorum.children()) {
        list.push_back(describe(*child, quorum.now()));
    }
    return list;
}

Json query_resync(const QuorumDevice& quorum)
{
    Json list = Json::array();
    const Children children = quorum.children();
    for (const ChildPtr& child : children) {
        const ResyncStatus status = resync_status(*child);
        Json one{{"child", status.child},
                 {"state", std::string(status.state)},
                 {"total-bytes", status.total},
                 {"done-bytes", status.total - status.remaining},
                 {"remaining-bytes", status.remaining}};
        const auto troubles = troubles_of(facts_of(*child, children, quorum),
                                          quorum.options().rewrite_corrupted);
        if (!troubles.empty() && troubles.front().word != Word::resyncing) {
            one["reason"] = troubles.front().text;
        }
        list.push_back(std::move(one));
    }
    return list;
}

}  // namespace resilience::quorum
