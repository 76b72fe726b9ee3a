// SPDX-License-Identifier: BSD-3-Clause

// Children that the memory knows: one that is added again, and one that turned out to be
// another disk than was left there.

#include <cstring>
#include <stdexcept>
#include <thread>

#include <fmt/format.h>

#include "filters/quorum/memory_plan.h"
#include "filters/quorum/quorum_device.h"
#include "filters/quorum/witness_check.h"

namespace resilience::quorum {

namespace {

constexpr std::chrono::milliseconds poll_interval{5};

[[noreturn]] void refuse(const std::string& reason)
{
    throw std::runtime_error(reason);
}

}  // namespace

/// The member that `child` is, by the rules of a start, if the memory knows one that is
/// away; compared with what was left there.  Throws if it is another disk, or silent.
std::optional<QuorumDevice::Returning> QuorumDevice::recognise(NewChild& child) const
{
    if (!memory_) {
        return std::nullopt;
    }
    memoryfile::Content known = memory_->content();
    for (memoryfile::Member& member : known.members) {
        if (!member.away) {
            member.state = memoryfile::MemberState::none;
        }
    }
    const auto place = match_members(known, {{child.node_name, child.spec, "", true, ""}}).front();
    if (!place) {
        return std::nullopt;
    }
    const memoryfile::Member& member = known.members[*place];
    child.node_name = child.node_name.empty() ? member.name : child.node_name;
    Returning returning{*place, false};
    const auto refuse_foreign = [&](const std::string& found) {
        refuse(fmt::format("'{0}' {1}.  To have it filled all the same make the memory forget it "
                           "first: child-remove child={2}",
                           child.device->describe(), found,
                           member.name.empty() ? member.spec : member.name));
    };
    if (member.state == memoryfile::MemberState::foreign) {
        refuse_foreign("was found to be foreign, another disk or an old copy");
    }
    if (member.spec != child.spec) {
        return returning;  // somewhere else: it is filled, as at a start
    }
    const WitnessCheck check(*child.device, comparable_places(known, *place));
    const TimePoint deadline = state_.clock.now() + child.timeout;
    while (!check.ended()) {
        if (state_.clock.now() >= deadline) {
            refuse(fmt::format("'{}' does not answer", child.device->describe()));
        }
        std::this_thread::sleep_for(poll_interval);
    }
    const WitnessFindings findings = check.findings();
    if (findings.differs()) {
        refuse_foreign("is foreign, another disk or an old copy: " + in_words(findings));
    }
    returning.proven = findings.proven();
    return returning;
}

/// It is here again, durably.  Returns what is wrong, or nothing.
std::string QuorumDevice::remember_again(NewChild& child, const Returning& returning)
{
    child.member = returning.member;
    const int error = memory_->change_members([&](memoryfile::Content& content) {
        memoryfile::Member& member = content.members[returning.member];
        member.name = child.node_name;
        member.spec = child.spec;
        member.away = false;
        if (!returning.proven) {
            change_state(content, returning.member, memoryfile::MemberState::filling);
        }
    });
    return error == 0 ? ""
                      : fmt::format("the memory cannot be written: {}", std::strerror(error));
}

/// The member of a child that could not be added.
void QuorumDevice::give_up_addition(std::size_t member, bool was_known)
{
    if (!was_known) {
        forget_member(member);
        return;
    }
    memory_->change_members(
        [&](memoryfile::Content& content) { content.members[member].away = true; });
}

/// What it misses by the memory.  The caller holds everything.
void QuorumDevice::distrust_missing(Child& child) const
{
    const memoryfile::Content content = memory_->content();
    const auto missing =
        missing_of(content, {child.member, content.members[child.member].state, false, false});
    if (missing) {
        for_each_marked(*missing, [&](ByteRange range) { child.distrust(range); });
    }
}

void QuorumDevice::accept_child(const std::string& name)
{
    const ChildPtr child = find_child(name);
    if (!child) {
        refuse(fmt::format("Node '{}' does not have child '{}'", state_.options.name, name));
    }
    const RangeLock::Guard guard = state_.lock_all();
    if (!guard) {
        refuse("the requests in flight did not end in time: try again");
    }
    if (!child->foreign()) {
        refuse(fmt::format("Child '{}' is not foreign: there is nothing to accept",
                           child->node_name()));
    }
    // Nobody records it as foreign meanwhile: who does that holds something.
    const int error = memory_->change_members([&](memoryfile::Content& content) {
        change_state(content, child->member, memoryfile::MemberState::filling);
    });
    if (error != 0) {
        refuse(fmt::format("the memory cannot be written: {}", std::strerror(error)));
    }
    child->accept();
}

}  // namespace resilience::quorum
