// SPDX-License-Identifier: BSD-3-Clause

// Adding and removing children while clients work.
//
// Names follow QEMU's rule: a new child is appended at the end of the order
// and called children.N with the next number; the number is handed back only
// when the child that bears the highest one is removed.  So the removal of a
// middle child leaves a gap in the names, never a name that means two things.

#include <algorithm>
#include <charconv>
#include <cstring>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "filters/quorum/quorum_device.h"

namespace resilience::quorum {

namespace {

constexpr std::string_view name_prefix = "children.";
constexpr std::chrono::milliseconds stop_limit{5000};

[[noreturn]] void refuse(const std::string& reason)
{
    throw std::runtime_error(reason);
}

[[noreturn]] void refuse_change(Command command)
{
    const Running other{Activity::membership_change, {}};
    refuse(blocked(command, {}, {&other, 1}).value_or("another child is being added or removed"));
}

/// `error` of a change of the memory, or 0.
void need_written(int error)
{
    if (error != 0) {
        refuse(fmt::format("the memory cannot be written: {}", std::strerror(error)));
    }
}

void refuse_foreign(const Child& child)
{
    if (child.foreign()) {
        refuse(fmt::format("Child '{0}' is foreign ({1}): child-accept child={0} has it filled",
                           child.node_name(), child.why_foreign()));
    }
}

/// Holds the one place for changes of membership.
class OneAtATime {
public:
    explicit OneAtATime(std::atomic<bool>& taken) : taken_(taken) {}
    ~OneAtATime() { taken_ = false; }

private:
    std::atomic<bool>& taken_;
};

}  // namespace

std::string QuorumDevice::next_name()
{
    return fmt::format("{}{}", name_prefix, next_index_++);
}

void QuorumDevice::give_back_name(const std::string& name)
{
    std::size_t index = 0;
    const char* const digits = name.data() + name_prefix.size();
    std::from_chars(digits, name.data() + name.size(), index);
    if (index + 1 == next_index_) {
        next_index_--;
    }
}

ChildPtr QuorumDevice::find_child(const std::string& name) const
{
    for (const ChildPtr& child : state_.snapshot()) {
        if (child->name() == name || child->node_name() == name) {
            return child;
        }
    }
    return nullptr;
}

std::vector<Running> QuorumDevice::running(const std::string& child) const
{
    std::vector<Running> running{{Activity::quorum, state_.options.name}};
    if (state_.options.blkverify) {
        running.push_back({Activity::blkverify_mode, state_.options.name});
    }
    const ChildPtr about = child.empty() ? nullptr : find_child(child);
    if (about) {
        const ResyncStatus resync = resync_status(*about);
        if (resync.state == "running" || (resync.state == "paused" && resync.total != 0)) {
            running.push_back({Activity::resync_of_child, child});
        }
    }
    return running;
}

void QuorumDevice::refuse_if_blocked(Command command, const std::string& child) const
{
    if (const auto reason = blocked(command, child, running(child))) {
        refuse(*reason);
    }
}

void QuorumDevice::check_addition(const NewChild& child) const
{
    if (child.device->size() != state_.size) {
        refuse(fmt::format("'{}' has {} bytes, and the quorum '{}' has {} bytes: a child must have "
                           "the size of the others",
                           child.device->describe(), child.device->size(), state_.options.name,
                           state_.size));
    }
    if (capabilities_.writable && !child.device->capabilities().writable) {
        refuse(fmt::format("'{}' is read-only, and the quorum '{}' is written",
                           child.device->describe(), state_.options.name));
    }
    const BlockLimits limits = child.device->block_limits();
    if (limits.minimum > block_limits_.minimum) {
        refuse(fmt::format("'{}' takes blocks of {} bytes, and clients have been told that {} "
                           "bytes are enough: give such a child when the server is started",
                           child.device->describe(), limits.minimum, block_limits_.minimum));
    }
}

/// A member to be, of which nothing is known, durably.  Returns what is wrong, or nothing.
std::string QuorumDevice::remember_new(const NewChild& child, std::size_t& member)
{
    if (!memory_) {
        return {};
    }
    std::string wrong = fmt::format("the memory knows {} members already: remove one",
                                    memoryfile::most_members);
    const int error = memory_->change_members([&](memoryfile::Content& content) {
        const auto place = std::ranges::find(content.members, memoryfile::MemberState::none,
                                             &memoryfile::Member::state);
        if (place != content.members.end()) {
            place->id = memoryfile::new_id();
            place->name = child.node_name;
            place->spec = child.spec;
            member = static_cast<std::size_t>(place - content.members.begin());
            change_state(content, member, memoryfile::MemberState::filling);
            wrong.clear();
        }
    });
    return error == 0 ? wrong : fmt::format("the memory cannot be written: {}",
                                            std::strerror(error));
}

std::string QuorumDevice::add_child(NewChild child, bool content_is_equal)
{
    refuse_if_blocked(Command::add_child, {});
    if (membership_changes_.exchange(true)) {
        refuse_change(Command::add_child);
    }
    const OneAtATime change(membership_changes_);
    check_addition(child);
    const std::optional<Returning> returning =
        content_is_equal ? std::nullopt : recognise(child);
    if (const std::string wrong = returning ? remember_again(child, *returning)
                                            : remember_new(child, child.member);
        !wrong.empty()) {
        refuse(wrong);
    }
    const std::string name = next_name();
    ChildPtr added;
    try {
        added = make_child(child, name);
    } catch (const SetupError&) {
        give_back_name(name);
        give_up_addition(child.member, returning.has_value());
        throw;
    }
    if (!content_is_equal && !(returning && returning->proven)) {
        added->distrust({0, state_.size});
    }
    const RangeLock::Guard guard = state_.lock_all();
    if (!guard) {
        give_back_name(name);
        give_up_addition(added->member, returning.has_value());
        refuse("the requests in flight did not end in time: try again");
    }
    if (returning && returning->proven) {
        distrust_missing(*added);  // until now others may have been written
    }
    Children children = state_.children();
    children.push_back(added);
    state_.replace_children(std::move(children));
    observer_.child_added(*added);
    return name;
}

/// What too few of the others hold must not go away with this one.  The caller
/// holds everything.
void QuorumDevice::check_dispensable(const Child& child) const
{
    Children others = state_.children();
    std::erase_if(others, [&](const ChildPtr& other) { return other.get() == &child; });
    const std::size_t words = others.front()->stale().words();
    for (std::size_t index = 0; index < words; index++) {
        std::uint64_t any = 0;
        for (const ChildPtr& other : others) {
            // Also one that only missed something has a say; see elect_among_all().
            any |= other->stale().word(index) & ~child.doubtful().word(index);
        }
        for (; any != 0; any &= any - 1) {
            const std::uint64_t bit = any & -any;
            const auto current = std::count_if(
                others.begin(), others.end(),
                [&](const ChildPtr& other) { return (other->stale().word(index) & bit) == 0; });
            if (static_cast<std::size_t>(current) < state_.threshold()) {
                refuse(fmt::format("Child '{}' holds data that others still miss, and without it "
                                   "fewer than {} copies are left: wait for the resync, or write that again",
                                   child.node_name(), state_.threshold()));
            }
        }
    }
}

void QuorumDevice::forget_member(std::size_t member)
{
    if (!memory_ || member == no_member) {
        return;
    }
    const int error = memory_->change_members(
        [&](memoryfile::Content& content) {
            content.members[member] = {};
            content.maps[member].clear();
        });
    if (error != 0) {
        refuse(fmt::format("the memory cannot be written: {}", std::strerror(error)));
    }
}

/// A member of the memory that nobody has named at the start.
std::optional<std::size_t> QuorumDevice::find_away(const std::string& name) const
{
    if (memory_) {
        for (const auto& [place, member] : memory_->members()) {
            if (member.away && (member.name == name || member.spec == name)) {
                return place;
            }
        }
    }
    return std::nullopt;
}

void QuorumDevice::begin_from(const std::string& source)
{
    settler_.doubt({0, state_.size}, find_child(source));
}

void QuorumDevice::settle_from(const std::string& source, ByteRange range)
{
    const ChildPtr child = find_child(source);
    if (!child) {
        refuse(fmt::format("Node '{}' does not have child '{}'", state_.options.name, source));
    }
    if (!child->current(range)) {
        refuse(fmt::format("Child '{}' is not there, or misses something in this range itself",
                           child->node_name()));
    }
    if (settler_.source()) {
        refuse("the members are being made equal to one already: wait until that has ended");
    }
    if (memory_) {
        // It is written to all as clients write, and whatever it holds is right from now on,
        // whatever was left there.
        need_written(memory_->intend(range));
        need_written(memory_->forget_witness(range));
    }
    settler_.doubt(range, child);
    if (memory_) {
        memory_->intend(range);  // there already, and from now on not idle
    }
}

void QuorumDevice::remove_child(const std::string& name)
{
    if (membership_changes_.exchange(true)) {
        refuse_change(Command::remove_child);
    }
    const OneAtATime change(membership_changes_);
    const ChildPtr child = find_child(name);
    if (!child) {
        if (const auto away = find_away(name)) {
            forget_member(*away);
            return;
        }
        refuse(fmt::format("Node '{}' does not have child '{}'", state_.options.name, name));
    }
    refuse_if_blocked(Command::remove_child, name);
    {
        const RangeLock::Guard guard = state_.lock_all();
        if (!guard) {
            refuse("the requests in flight did not end in time: try again");
        }
        Children children = state_.children();
        if (children.size() - 1 < state_.threshold()) {
            refuse(fmt::format("The number of children cannot be lower than the vote threshold {}",
                               state_.threshold()));
        }
        if (settler_.source() == child) {
            refuse(fmt::format("Child '{}' is what the others are being made equal to: wait",
                               child->node_name()));
        }
        check_dispensable(*child);
        forget_member(child->member);  // before anything is acknowledged without it
        std::erase(children, child);
        for (const ChildPtr& left : children) {
            left->doubt_stale();
        }
        state_.replace_children(std::move(children));
        give_back_name(child->name());
    }
    observer_.child_removed(*child);
    child->device().stop(stop_limit);
}

void QuorumDevice::assume_clean(const std::string& name)
{
    const ChildPtr child = find_child(name);
    const RangeLock::Guard guard = state_.lock_all();
    if (!child || !guard) {
        refuse("the requests in flight did not end in time: try again");
    }
    refuse_foreign(*child);
    if (memory_) {
        // It is believed by somebody's word, against whatever was left there.
        need_written(memory_->forget_witness({0, state_.size}));
    }
    child->believe_all();
    child->resync_blocked = false;
}

void QuorumDevice::make_stale(const std::string& name)
{
    const ChildPtr child = find_child(name);
    const RangeLock::Guard guard = state_.lock_all();
    if (!child || !guard) {
        refuse("the requests in flight did not end in time: try again");
    }
    refuse_foreign(*child);
    if (state_.children().size() - 1 < state_.threshold()) {
        refuse(fmt::format("Without child '{}' fewer than {} children are left to copy from",
                           child->node_name(), state_.threshold()));
    }
    check_dispensable(*child);
    if (memory_ && child->member != no_member) {
        need_written(memory_->change_members([&](memoryfile::Content& content) {
            change_state(content, child->member, memoryfile::MemberState::filling);
        }));
    }
    child->distrust({0, state_.size});
}

}  // namespace resilience::quorum
