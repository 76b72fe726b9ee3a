// SPDX-License-Identifier: BSD-3-Clause
#include "filters/quorum/memory_plan.h"

#include <algorithm>
#include <ctime>
#include <functional>

#include <fmt/format.h>

#include "filters/quorum/memory.h"
#include "filters/quorum/options.h"
#include "filters/quorum/witness_check.h"

namespace resilience::quorum {

using memoryfile::Content;
using memoryfile::Member;
using memoryfile::MemberState;

namespace {

std::string time_text(std::uint64_t seconds)
{
    const auto when = static_cast<std::time_t>(seconds);
    std::tm parts = {};
    char text[32] = "an unknown time";
    if (gmtime_r(&when, &parts) != nullptr) {
        std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%SZ", &parts);
    }
    return text;
}

std::optional<std::size_t> find(const std::vector<Candidate>& candidates, const std::string& who)
{
    const auto found = std::ranges::find_if(candidates, [&](const Candidate& candidate) {
        return candidate.name == who || candidate.spec == who || candidate.label == who;
    });
    return found == candidates.end() ? std::nullopt
                                     : std::optional(static_cast<std::size_t>(
                                           found - candidates.begin()));
}

Plan refuse(std::string why)
{
    Plan plan;
    plan.refusal = std::move(why);
    return plan;
}

/// The one whose content is the truth must be there; `key` is how it was named.
std::string check_source(const std::vector<Candidate>& candidates,
                         const std::optional<std::size_t>& source, const std::string& key,
                         const std::string& who)
{
    if (!source) {
        return fmt::format("{}{}: no child has this name or SPEC", key, who);
    }
    const Candidate& candidate = candidates[*source];
    return candidate.present ? ""
                             : fmt::format("{}{}: this child is not there: {}", key, who,
                                           candidate.missing);
}

Plan create(const std::vector<Candidate>& candidates, const Wishes& wishes)
{
    Plan plan;
    if (wishes.create == Create::fill) {
        plan.source = find(candidates, wishes.source);
        const std::string wrong =
            check_source(candidates, plan.source, "quorum-create=fill-from:", wishes.source);
        if (!wrong.empty()) {
            return refuse(wrong);
        }
    }
    std::size_t present = 0;
    for (std::size_t i = 0; i < candidates.size(); i++) {
        const Candidate& candidate = candidates[i];
        const bool holds = candidate.present && (!plan.source || *plan.source == i);
        plan.roles.push_back(
            {i, holds ? MemberState::current : MemberState::filling, true, !holds});
        present += candidate.present;
        if (!candidate.present && wishes.create == Create::equal) {
            return refuse(fmt::format(
                "'{}' is not there: {}; this is a new set (no memory of it was found), and a new "
                "set is made with all children, so that a misspelt name is not taken for a lost "
                "disk; quorum-create=degraded makes it without those that are missing",
                candidate.label, candidate.missing));
        }
    }
    if (!plan.source && present < wishes.threshold) {
        return refuse(fmt::format("{} of {} children are there, and {} are needed "
                                  "(quorum-threshold)",
                                  present, candidates.size(), wishes.threshold));
    }
    return plan;
}

/// "current: a; behind since ...: b; not there: c (why)".
std::string list(const std::vector<Candidate>& candidates, const Plan& plan, const Content& memory)
{
    std::vector<std::string> lines;
    for (std::size_t i = 0; i < candidates.size(); i++) {
        const Role& role = plan.roles[i];
        const Member& member = memory.members[role.place];
        std::string line = fmt::format("'{}' ", candidates[i].label);
        if (role.is_new) {
            line += "is new";
        } else if (role.state == MemberState::current) {
            line += "is current";
        } else if (candidates[i].seen.differs()) {
            line += fmt::format("is foreign, another disk or an old copy: {}",
                                in_words(candidates[i].seen));
        } else {
            line += fmt::format("is {} since {}", to_string(role.state), time_text(member.since));
        }
        if (!candidates[i].present) {
            line += fmt::format(", and not there ({})", candidates[i].missing);
        }
        lines.push_back(line);
    }
    for (const std::size_t place : plan.away) {
        const Member& member = memory.members[place];
        lines.push_back(fmt::format("'{}' is {}, and was not named",
                                    member.name.empty() ? member.spec : member.name,
                                    to_string(member.state)));
    }
    std::string text;
    for (const std::string& line : lines) {
        text += (text.empty() ? "" : "; ") + line;
    }
    return text;
}

/// The memory is what differs: all that should be as it says differ from it, in the same
/// places and in the same way.
bool is_memory_odd(const std::vector<Candidate>& candidates, const Plan& plan,
                   const Content& memory)
{
    const WitnessFindings* first = nullptr;
    std::size_t alike = 0;
    for (std::size_t i = 0; i < candidates.size(); i++) {
        const Role& role = plan.roles[i];
        const WitnessFindings& seen = candidates[i].seen;
        if (role.is_new || role.wholly_stale || !candidates[i].present ||
            memory.members[role.place].state != MemberState::current) {
            continue;
        }
        first = first == nullptr ? &seen : first;
        if (!seen.differs() || seen.differing != first->differing) {
            return false;
        }
        alike++;
    }
    return alike > 1;
}

std::string odd_memory(const std::vector<Candidate>& candidates)
{
    const auto one = std::ranges::find_if(
        candidates, [](const Candidate& candidate) { return candidate.seen.differs(); });
    return fmt::format(
        "the members that are there differ from the memory in the same way, and are equal as far as "
        "that can be told ({}).  So it is the memory that is old (restored from a backup?), or all "
        "of them are.  Nothing was changed.  Bring the newest memory, or the newest disks, back; or "
        "give quorum-force-start=NAME, and the content of that one child is the truth and replaces "
        "that of all others",
        in_words(one->seen));
}

std::optional<std::size_t> free_place(const Content& memory, const std::vector<Role>& taken)
{
    for (std::size_t place = 0; place < memoryfile::most_members; place++) {
        if (memory.members[place].state == MemberState::none &&
            std::ranges::find(taken, place, &Role::place) == taken.end()) {
            return place;
        }
    }
    return std::nullopt;
}

Content new_content(std::uint64_t size)
{
    Content content;
    content.root.set = memoryfile::new_id();
    content.root.device_size = size;
    content.intents.resize(memoryfile::Layout(size).intent_words());
    return content;
}

}  // namespace

std::shared_ptr<DirtyBitmap> missing_of(const Content& memory, const Role& role)
{
    const std::uint64_t size = memory.root.device_size;
    const bool has_map = memory.members[role.place].has_map;
    if (role.state == MemberState::current) {
        return nullptr;
    }
    auto missing = std::make_shared<DirtyBitmap>(size, stale_granularity);
    if (role.wholly_stale || role.state == MemberState::foreign ||
        (role.state == MemberState::filling && !has_map)) {
        missing->set_all();
        return missing;
    }
    const memoryfile::Layout layout(size);
    for (std::uint64_t region = 0; region < layout.regions; region++) {
        if (memory.has_intent(region)) {
            missing->set(layout.range_of(region));
        }
    }
    const auto& map = memory.maps[role.place];
    for (std::uint64_t granule = 0; granule < map.size() * 64; granule++) {
        if ((map[granule / 64] >> granule % 64 & 1) != 0) {
            missing->set({granule * stale_granularity, (granule + 1) * stale_granularity});
        }
    }
    return missing;
}

Content first_content(const Content* found, const Plan& plan,
                      const std::vector<Candidate>& candidates, std::uint64_t size)
{
    Content content = found != nullptr ? *found : new_content(size);
    if (plan.source) {
        content.witness = {};  // of before
    }
    for (std::size_t i = 0; i < candidates.size(); i++) {
        const Role& role = plan.roles[i];
        Member& member = content.members[role.place];
        if (role.is_new) {
            member = {};
            member.id = memoryfile::new_id();
        }
        if (role.is_new || role.wholly_stale || member.state != role.state) {
            change_state(content, role.place, role.state);
        }
        member.name = candidates[i].name;
        member.spec = candidates[i].spec;
        member.away = false;
    }
    for (const std::size_t place : plan.away) {
        Member& member = content.members[place];
        member.away = true;
        if (member.state == MemberState::current) {  // from now on it misses what is written
            change_state(content, place, MemberState::behind);
        }
    }
    return content;
}

std::vector<std::optional<std::size_t>> match_members(const Content& memory,
                                                      const std::vector<Candidate>& candidates)
{
    std::vector<std::optional<std::size_t>> matched(candidates.size());
    const auto pass = [&](const auto& same) {
        for (std::size_t place = 0; place < memory.members.size(); place++) {
            const Member& member = memory.members[place];
            if (member.state == MemberState::none ||
                std::ranges::find(matched, std::optional(place)) != matched.end()) {
                continue;
            }
            for (std::size_t i = 0; i < candidates.size(); i++) {
                if (!matched[i] && same(member, candidates[i])) {
                    matched[i] = place;
                    break;
                }
            }
        }
    };
    pass([](const Member& member, const Candidate& candidate) {
        return !candidate.name.empty() && member.name == candidate.name;
    });
    // A name that is given and is another one's is not overruled by the SPEC.
    pass([](const Member& member, const Candidate& candidate) {
        return member.spec == candidate.spec && (member.name.empty() || candidate.name.empty());
    });
    return matched;
}

Plan plan_start(const Content* memory, const std::vector<Candidate>& candidates,
                const Wishes& wishes)
{
    if (memory == nullptr) {
        Wishes create_wishes = wishes;
        if (!wishes.force_start.empty()) {  // the memory is lost, or there never was one
            create_wishes.create = Create::fill;
            create_wishes.source = wishes.force_start;
        }
        return create(candidates, create_wishes);
    }
    Plan plan;
    const auto matched = match_members(*memory, candidates);
    std::size_t current = 0;
    std::vector<Role> taken;
    for (std::size_t i = 0; i < candidates.size(); i++) {
        Role role;
        if (matched[i]) {
            const Member& member = memory->members[*matched[i]];
            // The name is what a person calls it; the SPEC is where it is.  Whether the
            // content was moved along nobody knows.
            const bool moved =
                member.spec != candidates[i].spec || candidates[i].spec == unknown_spec;
            const bool differs = candidates[i].present && candidates[i].seen.differs();
            role = {*matched[i],
                    moved     ? MemberState::filling
                    : differs ? MemberState::foreign
                              : member.state,
                    false, moved};
        } else {
            const auto place = free_place(*memory, taken);
            if (!place) {
                return refuse(fmt::format("the memory knows {} members, and '{}' would be one "
                                          "more: remove those that are away (child-remove)",
                                          memoryfile::most_members, candidates[i].label));
            }
            role = {*place, MemberState::filling, true, true};
        }
        current += role.state == MemberState::current && candidates[i].present;
        taken.push_back(role);
        plan.roles.push_back(role);
    }
    for (std::size_t place = 0; place < memory->members.size(); place++) {
        if (memory->members[place].state != MemberState::none &&
            std::ranges::find(matched, std::optional(place)) == matched.end()) {
            plan.away.push_back(place);
        }
    }
    if (!wishes.force_start.empty()) {
        plan.source = find(candidates, wishes.force_start);
        const std::string wrong =
            check_source(candidates, plan.source, "quorum-force-start=", wishes.force_start);
        if (!wrong.empty()) {
            return refuse(wrong);
        }
        for (std::size_t i = 0; i < plan.roles.size(); i++) {
            plan.roles[i].wholly_stale = i != *plan.source;
            plan.roles[i].state = i == *plan.source ? MemberState::current : MemberState::filling;
        }
        return plan;
    }
    if (is_memory_odd(candidates, plan, *memory)) {
        return refuse(odd_memory(candidates));
    }
    if (current < wishes.threshold) {
        return refuse(fmt::format(
            "{} of the members that are there are current, and {} are needed (quorum-threshold): "
            "{}.  Bring the missing ones, or the right disks, back; or give quorum-force-start=NAME, "
            "and the content of that one child is the truth and replaces that of all others",
            current, wishes.threshold, list(candidates, plan, *memory)));
    }
    return plan;
}

}  // namespace resilience::quorum
