// SPDX-License-Identifier: BSD-3-Clause
#include "tests/sim/quorum/simulation.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "filters/quorum/quorum_device.h"
#include "tests/sim/quorum/checks.h"
#include "tests/sim/quorum/fault_atlas.h"
#include "tests/sim/quorum/lives.h"
#include "tests/sim/quorum/oracle.h"
#include "tests/sim/world.h"

namespace resilience::sim {

namespace {

using namespace std::chrono_literals;
using quorum::QuorumDevice;

constexpr std::uint64_t granule = quorum::stale_granularity;
/// Four granules and a short one.
constexpr std::uint64_t disk_size = 4 * granule + 8 * sector_size;
constexpr std::uint64_t disk_sectors = disk_size / sector_size;
constexpr auto timeout = std::chrono::milliseconds(400);
/// Faults happen, and clients work, for so long.
constexpr Duration working_time = 6s;
/// After the last fault all children must be equal within this time.
constexpr Duration convergence_time = 30s;
/// After the end of an outage of all links clients must be able to work again.
constexpr Duration recovery_time = 5s;
/// A child that falls sick costs whoever asks it one timeout, and is not asked
/// again.  But a repair or a copy asks, and then writes, and holds its range
/// meanwhile; so a request can meet two timeouts before it has its range, two
/// of its own, and two more for each further child that may fall sick: beyond the
/// promise that is every one, since a read that finds no majority asks those that are
/// stale, too.
Duration longest_wait(const Config& config)
{
    const std::size_t sick = config.children - (config.excess ? 1 : config.threshold);
    return (2 + 2 * sick) * timeout + 200ms;
}

Duration milliseconds(std::uint64_t count)
{
    return std::chrono::milliseconds(count);
}

class Simulation {
public:
    Simulation(const Config& config, std::uint64_t seed, bool verbose);
    Outcome run(const std::vector<PlannedFault>& faults);

private:
    std::shared_ptr<SimulatedDevice> make_device();
    void strike(const PlannedFault& fault);
    void strike_disk(SimulatedDevice& device, const PlannedFault& fault);
    void plan_outages();
    void live();
    void end_life(bool power);
    void next_life();
    void begin_life();
    void lose_one_link();
    bool all_recorded_current() const;
    void lose_all_links(bool forget, Duration lasts);

    void client();
    void one_operation();
    Request random_request(std::vector<std::byte>& memory);
    int carry_out(Request& request);
    void check_answer(const Request& request, int error, Duration took,
                      const std::vector<std::uint64_t>& must_be_durable);

    void housekeeper();
    void worker();
    void operations_by_hand();
    void operate();
    void end_faults();
    void converge();
    void check_healed();
    std::optional<std::string> check_memory();
    bool damaged(bool heals) const;
    bool wait_until_whole(TimePoint limit);
    void whole_disk(Op op, std::uint64_t piece);

    void say(const std::string& what) { told_.say(outcome_, what); }
    void fail(const std::string& what) { told_.fail(outcome_, what); }
    bool outages() const { return config_.outages != Outages::none; }
    bool restarts() const { return config_.restarts != Restarts::none; }
    bool past_work() const { return told_.elapsed() > working_time; }

    const Config config_;
    World world_;
    const Transcript told_;
    SimulatedClock clock_{world_};
    Oracle oracle_{disk_sectors};
    Witness witness_;
    std::unique_ptr<FaultAtlas> atlas_;
    std::vector<std::shared_ptr<SimulatedDevice>> devices_;  // all there ever were
    quorum::Options options_;
    std::shared_ptr<QuorumDevice> quorum_;
    std::unique_ptr<Lives> lives_;
    bool alive_ = true;      // there is a server
    std::size_t inside_ = 0; // fibers that are in it
    bool forgot_ = false;    // a child has, in this life
    Outcome outcome_;
    std::size_t clients_left_ = 0;
    bool ended_ = false;
};

Simulation::Simulation(const Config& config, std::uint64_t seed, bool verbose)
    : config_(config), world_(seed), told_(world_, verbose),
      witness_(world_, config.excess || outages() || restarts(),
               [this](const std::string& what) { fail(what); })
{
    quorum::Options& options = options_;
    options.threshold = config.threshold;
    options.read_pattern = config.pattern;
    options.rewrite_corrupted = config.rewrite;
    options.timeout = timeout;
    options.unflushed_limit = 64 << 20;
    if (!outages() && world_.random().one_in(2)) {
        options.unflushed_limit = world_.random().below(100 << 10);
    }
    options.settle(config.children);
    std::vector<quorum::NewChild> children;
    for (std::size_t i = 0; i < config.children; i++) {
        children.push_back({"", make_device(), timeout});
    }
    if (restarts()) {
        const auto tell = told_.verbose() ? [this](const std::string& what) { say(what); }
                                          : SimulatedDevice::Say();
        lives_ = std::make_unique<Lives>(world_, clock_, disk_size, 3, tell);
        return;
    }
    quorum_ = std::make_shared<QuorumDevice>(options, std::move(children), witness_, true, clock_);
    atlas_ = std::make_unique<FaultAtlas>(
        *quorum_, oracle_,
        FaultAtlas::Limits{config.pattern != quorum::ReadPattern::fifo, config.excess,
                           config.by_sector});
}

std::shared_ptr<SimulatedDevice> Simulation::make_device()
{
    const std::size_t index = devices_.size();
    auto device = std::make_shared<SimulatedDevice>(
        world_, fmt::format("disk{}", index), disk_size, world_.random().one_in(3),
        [this, index](FaultKind kind, ByteRange range) {
            const bool permitted = atlas_->permit(*devices_[index], kind, range);
            outcome_.faults += permitted;
            say(fmt::format("disk{} {} {}..{}{}", index, to_string(kind), range.begin, range.end,
                            permitted ? "" : " (not permitted)"));
            return permitted;
        },
        told_.verbose() ? [this](const std::string& what) { say(what); }
                 : SimulatedDevice::Say());
    devices_.push_back(device);
    return device;
}

// ---- faults

void Simulation::strike(const PlannedFault& fault)
{
    SimulatedDevice& device = *devices_[fault.child % devices_.size()];
    const bool link = fault.kind == FaultKind::crash || fault.kind == FaultKind::reset;
    if (hits_one_request(fault.kind)) {
        device.arm(fault.kind, fault.error);
    } else if (link && fault.offset % 2 == 0) {  // cut off a write
        device.at_next_change([this, &device, fault] { strike_disk(device, fault); });
    } else {
        strike_disk(device, fault);
    }
}

void Simulation::strike_disk(SimulatedDevice& device, const PlannedFault& fault)
{
    const bool link = fault.kind == FaultKind::crash || fault.kind == FaultKind::reset;
    const std::uint64_t begin = fault.offset - fault.offset % sector_size;
    const ByteRange range{begin, std::min(begin + (fault.lasts.count() % 32 + 1) * sector_size,
                                          disk_size)};
    if (device.stopped() || (link && (device.local() || device.link_lost())) ||
        !atlas_->permit(device, fault.kind, range)) {
        return;
    }
    say(fault.text());
    outcome_.faults++;
    switch (fault.kind) {
    case FaultKind::flip_at_rest: device.flip(fault.offset); break;
    case FaultKind::zeroed: device.zero_out(range); break;
    case FaultKind::freeze:
        device.freeze();
        world_.after(fault.lasts, [&device] { device.thaw(); });
        break;
    case FaultKind::slow:
        device.set_slow(true);
        world_.after(fault.lasts, [&device] { device.set_slow(false); });
        break;
    case FaultKind::crash:
    case FaultKind::reset:
        device.lose_link(fault.kind == FaultKind::crash);
        world_.after(fault.lasts, [&device] { device.return_link(); });
        break;
    default: break;
    }
}

void Simulation::plan_outages()
{
    for (std::uint64_t i = 1 + world_.random().below(3); i > 0; i--) {
        const bool forget = config_.outages == Outages::forget;
        const Duration lasts = world_.random().duration(1ms, 1500ms);
        world_.after(world_.random().duration(100ms, working_time),
                     [this, forget, lasts] { lose_all_links(forget, lasts); });
    }
}

void Simulation::lose_all_links(bool forget, Duration lasts)
{
    say(fmt::format("all links are lost{}", forget ? ", and all servers forget" : ""));
    outcome_.faults++;
    for (const auto& device : devices_) {
        if (device->stopped() || device->local() || device->link_lost()) {
            continue;
        }
        const auto lose = [device, forget] {
            if (!device->link_lost()) {
                device->lose_link(forget);
            }
        };
        // All at once, or when what is on its way is on its way.
        world_.after(world_.random().one_in(2) ? Duration{0} : world_.random().duration(0us, 60ms),
                     lose);
        world_.after(100ms + lasts + world_.random().duration(0us, 300ms),
                     [device] { device->return_link(); });
    }
}

// ---- the server ends and begins

/// Kills it now and then, until the work is done.
void Simulation::live()
{
    while (!past_work() && outcome_.violation.empty()) {
        world_.sleep(world_.random().duration(50ms, 1500ms));
        if (past_work()) {
            break;
        }
        if (world_.random().one_in(2)) {
            lose_one_link();
        } else {
            end_life(world_.random().one_in(3));
            next_life();
        }
    }
    clients_left_--;
}

/// Whether the memory says so, and it is true.
bool Simulation::all_recorded_current() const
{
    const auto content = lives_->newest();
    const quorum::Children children = quorum_ ? quorum_->children() : quorum::Children();
    return content &&
           std::ranges::all_of(content->members,
                               [](const memoryfile::Member& member) {
                                   return member.state == memoryfile::MemberState::none ||
                                          member.state == memoryfile::MemberState::current;
                               }) &&
           std::ranges::all_of(children, [](const auto& child) { return child->current(); });
}

/// At most as many at a time as the promise covers: one, when all others have everything.
void Simulation::lose_one_link()
{
    if (!all_recorded_current()) {
        return;
    }
    const auto device = devices_[world_.random().below(devices_.size())];
    const bool forget = !device->local() && world_.random().one_in(2);
    say(fmt::format("{} loses its link{}", device->describe(), forget ? ", and forgets" : ""));
    outcome_.faults++;
    forgot_ = forgot_ || forget;
    device->lose_link(forget);
    world_.after(world_.random().duration(1ms, 1500ms), [device] { device->return_link(); });
}

void Simulation::end_life(bool power)
{
    say(power ? "all power is lost" : "the server is killed");
    outcome_.faults++;
    alive_ = false;
    for (const auto& device : devices_) {
        device->lose_link(power);
    }
    lives_->end(power);
    const auto left = [this] { return inside_ == 0 && quorum_.use_count() == 1; };
    if (!world_.wait_until(nullptr, world_.now() + 60s, left)) {
        fail("requests do not end when all links are gone");
        return;
    }
    atlas_ = nullptr;
    quorum_ = nullptr;
    if (power || std::exchange(forgot_, false)) {
        oracle_.lost_power();
    }
}

void Simulation::next_life()
{
    world_.sleep(world_.random().duration(1ms, 300ms));
    if (world_.random().one_in(6)) {
        say("a copy of the memory is lost");
        lives_->lose_copy();
    }
    begin_life();
}

void Simulation::begin_life()
{
    // Perhaps one that was current is not named this time: then the others are enough.
    Lives::Disks named = devices_;
    if (!past_work() && all_recorded_current() && named.size() > config_.threshold &&
        world_.random().one_in(4)) {
        named.erase(named.begin() + static_cast<std::ptrdiff_t>(world_.random().below(named.size())));
    }
    try {
        quorum_ = lives_->begin(named, options_, witness_);
    } catch (const std::exception& error) {
        fail(fmt::format("the server does not start: {}", error.what()));
        ended_ = true;
        return;
    }
    atlas_ = std::make_unique<FaultAtlas>(*quorum_, oracle_, FaultAtlas::Limits{});
    say(fmt::format("a server of {} children begins", named.size()));
    alive_ = true;
    world_.spawn([this] { housekeeper(); });
    world_.spawn([this] { worker(); });
}

// ---- clients

Request Simulation::random_request(std::vector<std::byte>& memory)
{
    Random& random = world_.random();
    Request request;
    const std::uint64_t dice = random.below(100);
    request.op = dice < 48 ? Op::read
                 : dice < 82 ? Op::write
                 : dice < 86 ? Op::zero
                 : dice < 88 ? Op::trim
                 : dice < 95 ? Op::flush
                 : dice < 99 ? Op::extents
                             : Op::cache;
    if (request.op == Op::flush) {
        return request;
    }
    std::uint64_t sectors = random.between(1, 16);
    std::uint64_t first = random.below(disk_sectors);
    if (random.one_in(2)) {  // where others are too
        first = 120 + random.below(16);
    } else if (random.one_in(12)) {
        sectors = random.between(100, 300);
    } else if (random.one_in(10)) {
        sectors = granule / sector_size;
        first -= first % sectors;
    }
    sectors = std::min(sectors, disk_sectors - first);
    request.offset = first * sector_size;
    request.length = sectors * sector_size;
    request.flags.fua = modifies(request.op) && random.one_in(8);
    request.flags.fast_zero = request.op == Op::zero && random.one_in(2);
    request.flags.may_trim = request.op == Op::zero && random.one_in(2);
    memory.resize(request.length);
    if (request.op == Op::read) {
        request.into = memory;
    } else if (request.op == Op::write) {
        request.from = memory;
    }
    return request;
}

void Simulation::client()
{
    while (!past_work() && outcome_.violation.empty()) {
        one_operation();
        if (!world_.random().one_in(3)) {
            world_.sleep(world_.random().duration(1us, 90ms));
        }
    }
    clients_left_--;
}

void Simulation::one_operation()
{
    if (!alive_) {
        return;
    }
    std::vector<std::byte> memory;
    Request request = random_request(memory);
    carry_out(request);
}

int Simulation::carry_out(Request& request)
{
    const TimePoint began = world_.now();
    std::vector<std::uint64_t> must_be_durable;
    if (request.op == Op::flush) {
        must_be_durable = quiet_sectors(oracle_);
    }
    const std::uint64_t number = oracle_.begins(request);
    if (request.op == Op::write) {
        const std::span<const std::byte> data = request.from;
        Oracle::fill({const_cast<std::byte*>(data.data()), data.size()}, request.offset, number);
    }
    say(fmt::format("{} {} {}+{}", number, to_string(request.op), request.offset, request.length));
    inside_++;
    int error = quorum_->execute(request);
    inside_--;
    if (!alive_) {
        error = EIO;  // whatever it was, the client has not heard it
    }
    if (const auto wrong = oracle_.ends(number, request, error)) {
        fail(*wrong);
    }
    std::erase_if(must_be_durable, [&](std::uint64_t s) {
        return !oracle_.quiet(s) || oracle_.at(s).started > number;
    });
    const Duration took = world_.now() - began;
    say(fmt::format("{} ended: {}{}", number, error == 0 ? "ok" : std::strerror(error),
                    took > timeout ? ", late" : ""));
    check_answer(request, error, took, must_be_durable);
    world_.note(number << 8 | static_cast<std::uint64_t>(error));
    return error;
}

void Simulation::check_answer(const Request& request, int error, Duration took,
                              const std::vector<std::uint64_t>& must_be_durable)
{
    outcome_.operations++;
    outcome_.errors += error != 0;
    outcome_.slowest = std::max(outcome_.slowest, took);
    if (took > longest_wait(config_)) {
        fail(fmt::format("{} of {}+{} took {} ms", to_string(request.op), request.offset,
                         request.length,
                         std::chrono::duration_cast<std::chrono::milliseconds>(took).count()));
    }
    // A flush asks more: enough children that are current in each granule.
    const bool may_fail =
        config_.excess || outages() || (config_.by_sector && request.op == Op::flush);
    if (!alive_) {
        return;
    }
    if (error == 0 && request.op == Op::flush) {
        oracle_.flushed(must_be_durable);
    }
    if (error != 0 && !may_fail) {
        fail(fmt::format("{} of {}+{} failed within the promise: {}", to_string(request.op),
                         request.offset, request.length, std::strerror(error)));
    }
    std::optional<std::string> wrong;
    if (error == 0 && modifies(request.op)) {
        wrong = check_copies(oracle_, *quorum_, request, world_.now() - took);
    } else if (error == 0 && request.op == Op::flush) {
        wrong = check_durable(oracle_, *quorum_, must_be_durable);
    }
    if (!wrong) {
        wrong = check_staleness(oracle_, *quorum_);
    }
    if (wrong) {
        fail(*wrong);
    }
}

// ---- the engine's own threads, and the operator

void Simulation::housekeeper()
{
    for (const auto quorum = quorum_; !ended_ && alive_ && quorum == quorum_;) {
        inside_++;
        quorum->housekeep();
        inside_--;
        if (!alive_) {
            break;
        }
        if (const auto wrong = check_staleness(oracle_, *quorum_)) {
            fail(*wrong);
        }
        world_.sleep(50ms);
    }
}

void Simulation::worker()
{
    for (const auto quorum = quorum_; !ended_ && alive_ && quorum == quorum_;) {
        inside_++;
        const bool more = quorum->work();
        inside_--;
        world_.sleep(more ? Duration{1us} : Duration{100ms});
    }
}

void Simulation::operations_by_hand()
{
    while (!past_work() && outcome_.violation.empty()) {
        world_.sleep(world_.random().duration(100ms, 2500ms));
        if (outages()) {
            continue;
        }
        try {
            operate();
        } catch (const std::runtime_error& refused) {
            say(fmt::format("operator: {}", refused.what()));
        }
    }
    clients_left_--;
}

void Simulation::operate()
{
    const quorum::Children children = quorum_->children();
    const quorum::ChildPtr child = children[world_.random().below(children.size())];
    const auto& device = static_cast<const SimulatedDevice&>(child->device());
    switch (world_.random().below(4)) {
    case 0:
        child->resync_mode = quorum::ResyncMode::paused;
        say("operator: pause " + child->name());
        world_.after(world_.random().duration(100ms, 1s), [child] {
            child->resync_mode = quorum::ResyncMode::automatic;
        });
        break;
    case 1:
        if (children.size() <= config_.children) {
            const auto added = make_device();
            added->scribble();
            if (atlas_->permit_all(*added)) {
                say("operator: add " + added->describe());
                quorum_->add_child({"", added, timeout}, false);
            }
        }
        break;
    case 2:
        if (children.size() > config_.children && atlas_->permit_all(device)) {
            say("operator: remove " + child->name());
            quorum_->remove_child(child->name());
            atlas_->forget(device);
        }
        break;
    case 3:
        if (world_.random().one_in(3) && atlas_->permit_all(device)) {
            say("operator: make stale " + child->name());
            quorum_->make_stale(child->name());
        }
        break;
    }
}

// ---- the end

void Simulation::end_faults()
{
    say("all faults end");
    for (const auto& device : devices_) {
        device->disarm();
        device->thaw();
        device->set_slow(false);
        device->return_link();
    }
    for (const quorum::ChildPtr& child : quorum_->children()) {
        child->resync_mode = quorum::ResyncMode::automatic;
    }
}

bool Simulation::wait_until_whole(TimePoint limit)
{
    return world_.wait_until(nullptr, limit, [this] {
        const quorum::Children children = quorum_->children();
        return std::all_of(children.begin(), children.end(), [](const quorum::ChildPtr& child) {
            const auto& device = static_cast<const SimulatedDevice&>(child->device());
            return child->state() == ChildState::online && !child->stale().any() &&
                   child->resync_total == 0 && !device.troubled();
        });
    });
}

void Simulation::whole_disk(Op op, std::uint64_t piece)
{
    std::vector<std::byte> memory;
    for (std::uint64_t offset = 0; offset < disk_size; offset += piece) {
        memory.resize(std::min(piece, disk_size - offset));
        Request request;
        request.op = op;
        request.offset = offset;
        request.length = memory.size();
        if (op == Op::read) {
            request.into = memory;
        } else {
            request.from = memory;
        }
        if (carry_out(request) != 0 && (outages() || restarts())) {
            fail(fmt::format("{} of {}+{} fails, and all links are back", to_string(op), offset,
                             request.length));
        }
    }
}

/// Whether there is something that nothing heals by itself: where `heals`, only data
/// against a majority of zeroes.
bool Simulation::damaged(bool heals) const
{
    for (const quorum::ChildPtr& child : quorum_->children()) {
        const auto& device = static_cast<const SimulatedDevice&>(child->device());
        for (std::uint64_t s = 0; s < disk_sectors; s++) {
            if (heals ? device.lied(s) && oracle_.at(s).expected == 0
                      : device.lied(s) || device.unreadable(s)) {
                return true;
            }
        }
    }
    return false;
}

/// After everything has been read: what differs has zeroes against it.
void Simulation::check_healed()
{
    for (const quorum::ChildPtr& child : quorum_->children()) {
        const auto& device = static_cast<const SimulatedDevice&>(child->device());
        for (std::uint64_t s = 0; s < disk_sectors; s++) {
            const std::uint64_t expected = oracle_.at(s).expected;
            if (oracle_.quiet(s) && expected != 0 && device.visible(s) != expected) {
                fail(fmt::format("sector {}: {} was read, and not healed{}", s,
                                 device.describe(), describe_sector(oracle_, *quorum_, s)));
                return;
            }
        }
    }
}

void Simulation::converge()
{
    const bool heals = config_.rewrite && config_.pattern != quorum::ReadPattern::fifo;
    const TimePoint limit = world_.now() + convergence_time;
    if (config_.excess) {
        // Until all are back, also those that have to wait for their relapses; some
        // may be stale everywhere.
        world_.sleep(3s);
        world_.wait_until(nullptr, world_.now() + 15s, [this] {
            return std::ranges::all_of(quorum_->children(), [](const quorum::ChildPtr& child) {
                return child->state() == ChildState::online;
            });
        });
        whole_disk(Op::write, granule);
    }
    if (outages() || restarts()) {
        world_.sleep(recovery_time);
        whole_disk(Op::read, 4096);
    }
    bool whole = wait_until_whole(limit);
    if (whole && heals) {
        whole_disk(Op::read, 4096);
        world_.sleep(2s);
        whole_disk(Op::read, 4096);
        whole = wait_until_whole(limit);
    }
    if (whole && heals) {
        check_healed();
    }
    if (whole && damaged(heals)) {
        whole_disk(Op::write, granule);
        whole = wait_until_whole(limit);
    }
    Request flush;
    flush.op = Op::flush;
    carry_out(flush);
    const auto wrong = restarts() ? check_memory() : check_equal(oracle_, *quorum_);
    if (!whole) {
        fail("the children did not come back in time:" + describe_children(*quorum_));
    } else if (wrong) {
        fail(*wrong);
    }
}

/// At the end all is equal, and the memory says so.
std::optional<std::string> Simulation::check_memory()
{
    const bool forgotten = world_.wait_until(nullptr, world_.now() + convergence_time, [this] {
        const auto content = lives_->newest();
        return !quorum_->settler().unsettled() &&
               std::ranges::all_of(content->intents, [](std::uint64_t word) { return word == 0; });
    });
    const auto content = lives_->newest();
    for (const memoryfile::Member& member : content->members) {
        if (member.state != memoryfile::MemberState::none &&
            member.state != memoryfile::MemberState::current) {
            return fmt::format("at the end {} is not current in the memory", member.name);
        }
    }
    if (!forgotten) {
        return "at the end there are intents";
    }
    return check_equal(oracle_, *quorum_);
}

Outcome Simulation::run(const std::vector<PlannedFault>& faults)
{
    for (const PlannedFault& fault : faults) {
        world_.after(fault.time, [this, fault] {
            if (!past_work()) {
                strike(fault);
            }
        });
    }
    if (outages()) {
        plan_outages();
    }
    const std::size_t clients = 1 + world_.random().below(5);
    clients_left_ = clients + 1;
    for (std::size_t i = 0; i < clients; i++) {
        world_.spawn([this] { client(); });
    }
    if (restarts()) {
        alive_ = false;
        world_.spawn([this] {
            begin_life();
            live();
        });
    } else {
        world_.spawn([this] { operations_by_hand(); });
        world_.spawn([this] { housekeeper(); });
        world_.spawn([this] { worker(); });
    }
    world_.spawn([this] {
        world_.wait_until(nullptr, told_.start() + working_time + 60s,
                          [this] { return clients_left_ == 0; });
        if (restarts() && outcome_.violation.empty()) {
            end_life(false);  // the last one is of all children
            next_life();
        }
        if (!ended_) {
            end_faults();
            converge();
        }
        ended_ = true;
    });
    if (!world_.run(told_.start() + working_time + 200s)) {
        fail("something waits for ever:" + describe_children(*quorum_));
        // Fibers that never ended hold on to parts of it.
        new std::shared_ptr<QuorumDevice>(quorum_);
    } else if (const auto wrong = oracle_.violation()) {
        fail(*wrong);
    }
    outcome_.trace = world_.trace();
    return std::move(outcome_);
}

}  // namespace

std::string PlannedFault::text() const
{
    const auto ms = [](Duration time) {
        return std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
    };
    return fmt::format("at {} ms: disk{} {} at byte {}, for {} ms, error {}", ms(time), child,
                       to_string(kind), offset, ms(lasts), error);
}

std::vector<PlannedFault> plan_faults(const Config& config, std::uint64_t seed)
{
    constexpr int errors[] = {EIO, ENOSPC, EPERM};
    Random random(~seed);
    const bool planned = config.outages == Outages::none && config.restarts == Restarts::none;
    std::vector<PlannedFault> faults(planned ? random.between(4, 40) : 0);
    for (PlannedFault& fault : faults) {
        fault.time = random.duration(10ms, working_time - 500ms);
        fault.child = random.below(config.children + random.below(3));
        fault.kind = static_cast<FaultKind>(random.below(fault_kinds));
        fault.offset = random.below(disk_size);
        fault.lasts = random.one_in(5) ? random.duration(3s, working_time)
                                       : milliseconds(random.between(20, 1500));
        fault.error = errors[random.below(3)];
    }
    std::sort(faults.begin(), faults.end(),
              [](const auto& a, const auto& b) { return a.time < b.time; });
    return faults;
}

Outcome simulate(const Config& config, std::uint64_t world,
                 const std::vector<PlannedFault>& faults, bool verbose)
{
    auto simulation = std::make_unique<Simulation>(config, world, verbose);
    return simulation->run(faults);
}

}  // namespace resilience::sim
