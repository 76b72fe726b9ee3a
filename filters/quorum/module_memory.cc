// SPDX-License-Identifier: BSD-3-Clause

// How a quorum starts: its children are opened, its memory is found and read, and it is
// decided who may be believed (memory_plan.h).

#include <algorithm>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "common/child/lasting_device.h"
#include "common/core/log.h"
#include "common/device/early_read.h"
#include "filters/quorum/module.h"
#include "filters/quorum/witness_check.h"

namespace resilience::quorum {

using memoryfile::Content;
using memoryfile::Member;
using memoryfile::MemberState;

namespace {

constexpr std::string_view fill_from = "fill-from:";

}  // namespace

void QuorumModule::set_memory(const Given& given)
{
    const bool is_auto = given.value == "auto";
    const bool is_none = given.value == "none";
    MemoryParameters& memory = memory_parameters_;
    if ((is_auto || is_none) && !memory.named.empty()) {
        throw std::invalid_argument(fmt::format("{}={} cannot be given beside a place for the "
                                                "memory",
                                                given.key, given.value));
    }
    memory.none = is_none;
    if (!is_auto && !is_none) {
        memory.named.push_back(parse_child_parameter(given));
    }
}

void QuorumModule::set_create(const Given& given)
{
    Wishes& wishes = memory_parameters_.wishes;
    if (given.value.starts_with(fill_from) && given.value.size() > fill_from.size()) {
        wishes.create = Create::fill;
        wishes.source = given.value.substr(fill_from.size());
    } else {
        wishes.create = takes::which(given, std::vector<std::string>{"equal", "degraded"},
                                     "expects equal, degraded or fill-from:NAME") == 0
                            ? Create::equal
                            : Create::degraded;
    }
}

/// blkverify mode compares, and is not there to keep anything; and who only reads leaves
/// no trace.
bool QuorumModule::remembers() const
{
    return !memory_parameters_.none && !options_.blkverify && !options_.read_only;
}

/// The file that a child is; empty if it is none, or that is not known.
std::string QuorumModule::path_of(const ChildParameters& child) const
{
    if (child.spec) {
        return child.spec->kind == SpecKind::path ? child.spec->target : "";
    }
    for (const auto& [key, value] : below()) {
        if (key == "file") {
            return value.starts_with('/') ? value : directory() + "/" + value;
        }
    }
    return {};
}

QuorumModule::Found QuorumModule::open_found(const ChildParameters& child,
                                             std::shared_ptr<Device> next,
                                             bool may_be_missing) const
{
    constexpr std::string_view key = "quorum-child";
    Found found;
    found.label = !child.name().empty() ? child.name()
                  : child.spec          ? child.spec->text
                                        : "the plugin below";
    if (!child.spec) {
        found.device = std::move(next);
        return found;
    }
    const std::string parameter =
        child.label.empty() ? std::string(key) : fmt::format("{}.{}", key, child.label);
    OpenOptions how = options_of(child);
    how.timeout = memory_parameters_.start_timeout.value_or(how.timeout);
    try {
        found.device = open_spec(*child.spec, how, parameter);
    } catch (const SetupError& error) {
        if (!may_be_missing) {
            throw;
        }
        found.missing = error.what();
    }
    return found;
}

NewChild QuorumModule::new_child(const ChildParameters& child, std::shared_ptr<Device> device) const
{
    NewChild made;
    made.node_name = child.name();
    made.device = std::move(device);
    made.timeout = timeout_of(child);
    made.storage = child.storage;
    return made;
}

std::vector<NewChild> QuorumModule::open_all(std::shared_ptr<Device> next)
{
    std::vector<NewChild> opened;
    for (const ChildParameters& child : children_) {
        opened.push_back(new_child(child, open_found(child, next, false).device));
    }
    return opened;
}

std::vector<Candidate> QuorumModule::candidates(const std::vector<Found>& found) const
{
    std::vector<Candidate> all;
    for (std::size_t i = 0; i < children_.size(); i++) {
        const ChildParameters& child = children_[i];
        Candidate& candidate = all.emplace_back();
        candidate.name = child.name();
        const std::string path = path_of(child);
        const std::vector<std::string> below = storage_below();
        candidate.spec = child.spec       ? member_spec(*child.spec)
                         : !path.empty()  ? path
                         : !below.empty() ? below.front()
                                          : unknown_spec;
        candidate.label = found[i].label;
        candidate.present = found[i].device != nullptr;
        candidate.missing = found[i].missing;
    }
    return all;
}

/// Looks at what the members that are there hold.  A server that a command starts, and a
/// plugin below, cannot be asked before this server is there: they are compared then.
void QuorumModule::compare(const Content& memory, std::vector<Candidate>& candidates,
                           std::vector<Found>& found) const
{
    const auto matched = match_members(memory, candidates);
    for (std::size_t i = 0; i < found.size(); i++) {
        const bool known = matched[i] && found[i].device &&
                           found[i].device->size() == memory.root.device_size &&
                           memory.members[*matched[i]].spec == candidates[i].spec;
        const std::vector<WitnessPlace> places =
            known ? comparable_places(memory, *matched[i]) : std::vector<WitnessPlace>{};
        if (places.empty()) {
            continue;
        }
        std::vector<EarlyRead> reads;
        for (const WitnessPlace& place : places) {
            reads.push_back({place.offset, take_buffer(witness_block)});
        }
        const auto device = std::dynamic_pointer_cast<LastingDevice>(found[i].device);
        const auto patience =
            memory_parameters_.start_timeout.value_or(timeout_of(children_[i]));
        found[i].unchecked =
            !device || !device->read_early(reads, real_clock().now() + patience);
        for (std::size_t r = 0; !found[i].unchecked && r < reads.size(); r++) {
            if (reads[r].error == 0) {
                candidates[i].seen.add(places[r], reads[r].content.span());
            }
        }
    }
}

/// One that is away; what its peers are it is expected to be.
std::shared_ptr<Device> QuorumModule::away(const ChildParameters& child, const Found& found,
                                           const Device& peer) const
{
    log::warning("{}: '{}' is not there, the others go on without it: {}", options_.name,
                 found.label, found.missing);
    const ExpectedDevice expected{peer.size(), peer.capabilities(), peer.block_limits()};
    return std::make_shared<LastingDevice>(*child.spec, options_of(child), expected,
                                           found.missing);
}

std::vector<NewChild> QuorumModule::open_remembered(std::shared_ptr<Device> next)
{
    std::vector<Found> found;
    std::vector<std::string> paths;
    for (const ChildParameters& child : children_) {
        found.push_back(open_found(child, next, true));
        paths.push_back(path_of(child));
    }
    MemoryPlaces places = memory_parameters_.named.empty()
                              ? places_beside(paths, options_.threshold)
                              : places_named(memory_parameters_.named);
    if (!places.note.empty()) {
        log::notice("{}: {}", options_.name, places.note);
    }
    const bool nowhere = places.specs.empty();
    Wishes wishes = memory_parameters_.wishes;
    wishes.threshold = options_.threshold;
    found_memory_ = std::make_unique<FoundMemory>(std::move(places), options_.timeout,
                                                  !wishes.force_start.empty());
    std::vector<Candidate> all = candidates(found);
    if (found_memory_->content() != nullptr && wishes.force_start.empty()) {
        compare(*found_memory_->content(), all, found);
    }
    const Plan plan = plan_start(found_memory_->content(), all, wishes);
    if (!plan.refusal.empty()) {
        throw SetupError(plan.refusal + found_memory_->where());
    }
    const auto peer = std::ranges::find_if(found, [](const Found& f) { return f.device != nullptr; });
    found_memory_->check_size(peer->device->size());
    std::vector<NewChild> opened;
    for (std::size_t i = 0; i < children_.size(); i++) {
        const bool there = found[i].device != nullptr;
        opened.push_back(new_child(children_[i], there ? found[i].device
                                                       : away(children_[i], found[i], *peer->device)));
        opened.back().spec = all[i].spec;
        opened.back().unseen = !there;
        opened.back().unchecked = found[i].unchecked;
        if (plan.roles[i].state == MemberState::foreign) {
            opened.back().foreign = all[i].seen.differs() ? in_words(all[i].seen)
                                                          : "it was found to be so before this start";
        }
        if (nowhere && plan.roles[i].state != MemberState::current) {
            auto missing = std::make_shared<DirtyBitmap>(peer->device->size(), stale_granularity);
            missing->set_all();
            opened.back().missing = std::move(missing);
        }
    }
    if (plan.source) {
        const Candidate& source = all[*plan.source];
        truth_ = source.name.empty() ? fmt::format("children.{}", *plan.source) : source.name;
    }
    if (nowhere) {
        found_memory_.reset();
    } else {
        content_ = begin_content(plan, all, opened);
    }
    return opened;
}

/// The children are told what of the memory is about them.
Content QuorumModule::begin_content(const Plan& plan, const std::vector<Candidate>& candidates,
                                    std::vector<NewChild>& children) const
{
    const Content* const found = found_memory_->content();
    Content content = first_content(found, plan, candidates, children[0].device->size());
    content.root.threshold = static_cast<std::uint32_t>(options_.threshold);
    for (std::size_t i = 0; i < children.size(); i++) {
        children[i].member = plan.roles[i].place;
        children[i].missing = missing_of(found != nullptr ? *found : content, plan.roles[i]);
    }
    return content;
}

}  // namespace resilience::quorum
