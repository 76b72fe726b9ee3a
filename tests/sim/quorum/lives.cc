// SPDX-License-Identifier: BSD-3-Clause
#include "tests/sim/quorum/lives.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include <fmt/format.h>

#include "filters/quorum/memory_plan.h"

namespace resilience::sim {

using memoryfile::Content;

Lives::Lives(World& world, Clock& clock, std::uint64_t size, std::size_t copies,
             SimulatedDevice::Say say)
    : world_(world), clock_(clock), size_(size)
{
    for (std::size_t i = 0; i < copies; i++) {
        copies_.push_back(std::make_shared<SimulatedDevice>(
            world, fmt::format("memory{}", i), memoryfile::Layout(size).bytes(), true,
            [](FaultKind, ByteRange) { return false; }, say));
    }
}

std::vector<Lives::Copy> Lives::read() const
{
    std::vector<Copy> all;
    for (const auto& device : copies_) {
        const std::vector<std::byte>& bytes = device->content();
        const auto read = [&](std::uint64_t offset, std::span<std::byte> into) {
            std::memcpy(into.data(), bytes.data() + offset, into.size());
            return 0;
        };
        all.push_back({device, memoryfile::read_copy(read, bytes.size())});
    }
    return all;
}

std::optional<Content> Lives::newest() const
{
    std::optional<Content> newest;
    for (const Copy& copy : read()) {
        if (copy.content && (!newest || copy.content->content.weight > newest->weight)) {
            newest = copy.content->content;
        }
    }
    return newest;
}

std::shared_ptr<quorum::QuorumDevice> Lives::begin(const Disks& named,
                                                   const quorum::Options& options,
                                                   quorum::Observer& observer)
{
    Disks all = copies_;
    all.insert(all.end(), named.begin(), named.end());
    for (const auto& device : all) {
        device->start();
        device->return_link();
        device->resume();
    }
    std::vector<quorum::Candidate> candidates;
    for (const auto& disk : named) {
        quorum::Candidate& candidate = candidates.emplace_back();
        candidate.name = candidate.label = disk->describe();
        candidate.spec = "/" + candidate.name;
    }
    const std::optional<Content> known = newest();
    quorum::Wishes wishes;
    wishes.threshold = options.threshold;
    const quorum::Plan plan = plan_start(known ? &*known : nullptr, candidates, wishes);
    if (!plan.refusal.empty()) {
        throw std::runtime_error(plan.refusal);
    }
    Content content = first_content(known ? &*known : nullptr, plan, candidates, size_);
    content.root.threshold = static_cast<std::uint32_t>(options.threshold);
    content.root.copies = static_cast<std::uint32_t>(copies_.size());
    content.root.needed = content.root.copies / 2 + 1;
    std::vector<quorum::NewChild> children;
    for (std::size_t i = 0; i < named.size(); i++) {
        quorum::NewChild& child =
            children.emplace_back(quorum::NewChild{named[i]->describe(), named[i],
                                                   options.timeout});
        child.spec = candidates[i].spec;
        child.member = plan.roles[i].place;
        child.missing = known ? missing_of(*known, plan.roles[i]) : nullptr;
    }
    auto quorum = std::make_shared<quorum::QuorumDevice>(options, std::move(children), observer,
                                                         true, clock_);
    std::vector<quorum::MemoryStore::Place> places;
    for (Copy& copy : read()) {
        const bool counts = copy.content && copy.content->content.weight == content.weight;
        places.push_back({copy.device->describe(), copy.device,
                          counts ? copy.content->slots : std::vector<std::uint8_t>{}});
    }
    const std::size_t needed = content.root.needed;
    auto store = std::make_unique<quorum::MemoryStore>(std::move(places), content.newest, needed,
                                                       options.timeout, clock_);
    auto memory = std::make_unique<quorum::Memory>(std::move(content), std::move(store),
                                                   4 * options.timeout, clock_);
    if (const int error = memory->begin()) {
        throw std::runtime_error(fmt::format("the memory cannot be begun: {}",
                                             std::strerror(error)));
    }
    quorum->remember(std::move(memory));
    return quorum;
}

void Lives::end(bool power)
{
    for (const auto& copy : copies_) {
        copy->lose_link(power);
    }
}

void Lives::lose_copy()
{
    SimulatedDevice& copy = *copies_[world_.random().below(copies_.size())];
    copy.zero_out({0, copy.size()});
}

}  // namespace resilience::sim
