// SPDX-License-Identifier: BSD-3-Clause
#include "tests/sim/replication/simulation.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tests/sim/replication/disk_history.h"
#include "tests/sim/replication/primary_life.h"

namespace resilience::sim {

namespace {

using namespace std::chrono_literals;
using namespace replication;

constexpr std::uint64_t disk_size = 5 * granularity + 8 * sector;
constexpr std::uint64_t disk_sectors = disk_size / sector;
constexpr auto timeout = std::chrono::milliseconds(400);
/// The gate, the room, a checkpoint that is not answered, the request itself,
/// the question whether this side was replaced; and what the disk takes.
constexpr Duration longest_wait = 6 * timeout;

class Simulation {
public:
    Simulation(std::uint64_t seed, bool verbose);
    PairOutcome run();

private:
    // The guest.
    void guest();
    void one_operation(PrimaryLife& life);
    void check_acknowledged(PrimaryLife& life, TimePoint began, bool was_fenced);

    // The operator, and what goes wrong.
    void operate();
    void one_action();
    void command_checkpoint();
    void trouble(Duration lasts, const std::function<void()>& begin,
                 const std::function<void()>& end);
    void kill_secondary(bool power, bool lose_disk);
    void restart_primary();
    void fail_over();
    bool start_primary(bool retry);
    void heal();
    void converge();

    // The checkers.
    void check_checkpoint();
    void check_map();

    void say(const std::string& what) { told_.say(outcome_, what); }
    void fail(const std::string& what)
    {
        told_.fail(outcome_, what);
        working_ = false;
    }

    Host& primary() { return *hosts_[first_]; }
    Host& other() { return *hosts_[1 - first_]; }

    World world_;
    const Transcript told_;
    SimulatedClock clock_{world_};
    Network network_;
    Options options_;
    std::vector<std::unique_ptr<Host>> hosts_;
    std::size_t first_ = 0;  // who is the primary
    std::vector<std::shared_ptr<PrimaryLife>> lives_;  // all there ever were
    std::shared_ptr<PrimaryLife> life_;
    DiskHistory history_{disk_sectors};
    std::uint64_t found_ = 0;         // moment of the last checkpoint
    TimePoint troubled_until_{};
    std::optional<TimePoint> promoted_at_;  // and the old primary could know
    std::uint64_t silences_ = 0;            // that the old primary had met by then
    bool promoted_ = false;
    std::uint64_t next_stamp_ = 1;
    bool working_ = true;
    std::size_t busy_ = 0;
    PairOutcome outcome_;
};

Simulation::Simulation(std::uint64_t seed, bool verbose) : world_(seed), told_(world_, verbose)
{
    Random& random = world_.random();
    options_.name = "sim";
    options_.mode = Mode::primary;
    options_.timeout = timeout;
    options_.protocol = random.one_in(2) ? Protocol::sync : Protocol::async;
    options_.backlog_full = random.one_in(2) ? BacklogFull::wait : BacklogFull::resync;
    options_.backlog_bytes = random.one_in(2) ? 64 << 10 : 1 << 20;
    options_.backlog_age = std::chrono::milliseconds(random.between(50, 2000));
    options_.checkpoint_on_flush = random.one_in(3);
    if (random.one_in(2)) {
        options_.checkpoint_interval = std::chrono::milliseconds(random.between(50, 700));
    }
    for (const char* name : {"A", "B"}) {
        hosts_.push_back(std::make_unique<Host>(world_, name, disk_size));
        hosts_.back()->secondary.on_checkpoint = [this] { check_checkpoint(); };
    }
}

// ---- checkers

void Simulation::check_checkpoint()
{
    outcome_.checkpoints++;
    const auto moment = history_.find(other().disk);
    say(fmt::format("checkpoint {} of {}, moment {}", other().secondary.checkpoint(),
                    other().name, moment.value_or(0)));
    if (!moment) {
        fail(fmt::format("exact: checkpoint {} holds what the primary's disk never held",
                         other().secondary.checkpoint()));
        return;
    }
    found_ = *moment;
}

/// What a failover would give now, and what the primary knows about it.
void Simulation::check_map()
{
    Secondary& secondary = other().secondary;
    if (!life_ || !life_->alive() || promoted_ || !secondary.consistent() ||
        other().identity.pair != primary().identity.pair ||
        other().identity.epoch != primary().identity.epoch) {
        return;
    }
    const DirtyBitmap& bits = life_->device().map().bits();
    const auto& view = secondary.checkpoint_view();
    const auto& disk = primary().disk.content();
    for (std::uint64_t s = 0; s < disk_sectors; s++) {
        if (std::memcmp(view.data() + s * sector, disk.data() + s * sector, 8) != 0 &&
            !bits.any({s * sector, (s + 1) * sector})) {
            fail(fmt::format("known: sector {} differs from checkpoint {}, and nobody knows", s,
                             secondary.checkpoint()));
            return;
        }
    }
}

void Simulation::check_acknowledged(PrimaryLife& life, TimePoint began, bool was_fenced)
{
    if (was_fenced) {
        fail("fenced: a primary that knows that it was replaced acknowledges a write");
    }
    // One whose secondary was silent for a whole timeout takes it for lost.
    const bool could_know = promoted_at_ && began > *promoted_at_ &&
                            std::max(troubled_until_, network_.late_until) < *promoted_at_ &&
                            life.device().stream().counters().timeouts == silences_;
    if (could_know && life.options().protocol == Protocol::sync) {
        fail("fenced: a write was acknowledged after the secondary was promoted");
    }
}

// ---- the guest

void Simulation::one_operation(PrimaryLife& life)
{
    Random& random = world_.random();
    Request request;
    const std::uint64_t dice = random.below(20);
    request.op = dice < 14 ? Op::write : dice < 16 ? Op::zero : dice < 17 ? Op::trim : Op::flush;
    std::vector<std::byte> memory;
    if (request.op != Op::flush) {
        const std::uint64_t sectors = random.one_in(12) ? random.between(100, 200)
                                                        : random.between(1, 16);
        const std::uint64_t first = random.one_in(3) ? random.below(disk_sectors)
                                                     : 120 + random.below(40);
        request.offset = std::min(first, disk_sectors - 1) * sector;
        request.length = std::min(sectors * sector, disk_size - request.offset);
        request.flags.may_trim = random.one_in(2);
    }
    if (request.op == Op::write) {
        memory.resize(request.length);
        for (std::uint64_t at = 0; at < request.length; at += sector) {
            const std::uint64_t stamp = next_stamp_++;
            std::memcpy(memory.data() + at, &stamp, sizeof stamp);
        }
        request.from = memory;
    }
    const TimePoint began = world_.now();
    const bool was_fenced = life.session().status().phase == SessionStatus::Phase::fenced;
    const int error = life.device().execute(request);
    if (told_.verbose()) {
        say(fmt::format("{} of {}+{}, begun {:.3f} ms ago: {}", to_string(request.op),
                        request.offset, request.length,
                        std::chrono::duration<double, std::milli>(world_.now() - began).count(),
                        error == 0 ? "ok" : std::strerror(error)));
    }
    if (!life.alive()) {
        return;  // nobody has heard that
    }
    const Duration took = world_.now() - began;
    outcome_.operations++;
    outcome_.errors += error != 0;
    outcome_.slowest = std::max(outcome_.slowest, took);
    if (took > longest_wait) {
        fail(fmt::format("prompt: a {} took {} ms", to_string(request.op),
                         std::chrono::duration_cast<std::chrono::milliseconds>(took).count()));
    }
    if (error == 0 && request.op != Op::flush) {
        check_acknowledged(life, began, was_fenced);
    }
    if (error != 0 && !promoted_) {
        fail(fmt::format("prompt: a {} failed: {}", to_string(request.op), std::strerror(error)));
    }
    if (random.one_in(6)) {
        check_map();
    }
    world_.note(request.offset << 8 | static_cast<std::uint64_t>(error));
}

void Simulation::guest()
{
    while (working_) {
        world_.sleep(world_.random().one_in(3) ? Duration(1us)
                                               : world_.random().duration(1us, 40ms));
        const auto life = life_;
        if (working_ && life && life->alive()) {
            busy_++;
            one_operation(*life);
            busy_--;
        }
    }
}

// ---- the operator

void Simulation::trouble(Duration lasts, const std::function<void()>& begin,
                         const std::function<void()>& end)
{
    outcome_.faults++;
    begin();
    // The engine needs some time to find its way back.
    troubled_until_ = std::max(troubled_until_, world_.now() + lasts + 8 * timeout);
    world_.after(lasts, end);
}

void Simulation::command_checkpoint()
{
    const auto life = life_;
    if (!life || !life->alive()) {
        return;
    }
    const std::uint64_t asked = history_.moment();
    const std::string error = life->session().checkpoints().make();
    say("command: checkpoint: " + (error.empty() ? "made" : error));
    if (error.empty() && life->alive() && !promoted_ && found_ < asked) {
        fail(fmt::format("exact: a checkpoint is of moment {}, and was asked for at {}", found_,
                         asked));
    }
}

void Simulation::kill_secondary(bool power, bool lose_disk)
{
    Host& host = other();
    say(fmt::format("{} is killed{}{}", host.name, power ? ", power too" : "",
                    lose_disk ? ", disk too" : ""));
    trouble(world_.random().duration(20ms, 1500ms), [&] { host.secondary.kill(power || lose_disk); },
            [this, &host] {
                if (&host == &other() && !host.secondary.alive() && !promoted_) {
                    say(host.name + " starts as the secondary");
                    host.secondary.start();
                }
            });
    if (lose_disk) {
        std::vector<std::byte> garbage(disk_size, std::byte{0xee});
        host.disk.restore(garbage);
        host.secondary.forget();
        host.identity = {};
        host.has_map = false;
        host.map = std::make_unique<ChangeMap>(disk_size, granularity);
    }
}

bool Simulation::start_primary(bool retry)
{
    do {
        Host& host = primary();
        const Beginning beginning = begin_primary(host.identity, disk_size, PairId{
            std::byte{1}, static_cast<std::byte>(first_ + 1)});
        if (!beginning.error.empty()) {
            fail("a primary must not start: " + beginning.error);
            return false;
        }
        host.identity = beginning.next;
        if (host.map->pair() != host.identity.pair) {
            host.map->set({0, disk_size});
            host.map->set_base(host.identity.pair, 0);
        }
        auto life = std::make_shared<PrimaryLife>(
            world_, clock_, network_, host, other(), options_,
            PrimaryLife::Hooks{[this, &host](ByteRange range) {
                                   if (&host == &primary()) {
                                       history_.changed(host.disk, range);
                                   }
                               },
                               [this](const std::string& what) { say(what); }});
        lives_.push_back(life);
        std::string why;
        if (life->begin(why)) {
            say(host.name + " is the primary");
            life_ = life;
            return true;
        }
        life->kill();
        say(fmt::format("{} does not start: {}", host.name, why));
        world_.sleep(200ms);
    } while (retry && outcome_.violation.empty());
    return false;
}

void Simulation::restart_primary()
{
    const bool power = world_.random().one_in(2);
    say(fmt::format("{} is killed{}", primary().name, power ? ", power too" : ""));
    check_map();
    outcome_.faults++;
    life_->kill(power);
    world_.sleep(world_.random().duration(1ms, 600ms));
    start_primary(true);
}

/// The secondary is promoted; the old primary may be alive, and becomes the
/// secondary in the end.
void Simulation::fail_over()
{
    Host& old = primary();
    Host& successor = other();
    Random& random = world_.random();
    if (!successor.secondary.alive() || successor.secondary.frozen() ||
        !successor.secondary.consistent()) {
        return;
    }
    const bool crash_first = random.one_in(2);
    if (crash_first) {
        check_map();
        life_->kill(random.one_in(2));
        world_.sleep(random.duration(0ms, 200ms));
        if (!successor.secondary.alive() || successor.secondary.frozen()) {
            start_primary(true);
            return;
        }
    }
    const bool connected = !crash_first &&
                           life_->session().status().phase == SessionStatus::Phase::in_sync &&
                           life_->device().stream().complete() &&
                           !network_.cut && network_.slow == Duration{};
    if (!successor.secondary.promote()) {
        fail("failover: there was a checkpoint, and it is gone");
        return;
    }
    say(fmt::format("{} is promoted", successor.name));
    promoted_ = true;
    outcome_.failovers++;
    if (connected) {
        promoted_at_ = world_.now();
        silences_ = life_->device().stream().counters().timeouts;
    }
    if (successor.disk.content() != successor.secondary.checkpoint_view()) {
        fail("failover: the disk is not what it was at the last checkpoint");
    }
    world_.sleep(random.duration(1ms, 2500ms));
    if (random.one_in(2)) {
        // The old primary comes back as if nothing had been.
        life_->kill();
        if (start_primary(false)) {
            fail("fenced: an old primary starts although its secondary was promoted");
        }
    }
    life_->kill();
    world_.sleep(random.duration(1ms, 100ms));
    const Beginning as_secondary = begin_secondary(old.identity, disk_size);
    old.identity = as_secondary.next;
    // The new one has served on its own meanwhile.
    for (std::uint64_t i = random.below(4); i > 0; i--) {
        const std::uint64_t s = random.below(disk_sectors);
        std::vector<std::byte> data(sector);
        const std::uint64_t stamp = next_stamp_++;
        std::memcpy(data.data(), &stamp, sizeof stamp);
        successor.map->set({s * sector, (s + 1) * sector});
        successor.disk.write(s * sector, data);
    }
    successor.secondary.kill(false);
    old.secondary.start();
    first_ = 1 - first_;
    promoted_ = false;
    promoted_at_.reset();
    history_.begin(successor.disk);
    found_ = 0;
    start_primary(true);
}

void Simulation::one_action()
{
    Random& random = world_.random();
    const Duration lasts = random.duration(20ms, 1200ms);
    Secondary& secondary = other().secondary;
    switch (random.below(12)) {
    case 0:
        trouble(lasts,
                [&] {
                    say("the network is cut");
                    network_.cut = true;
                    network_.cuts++;
                },
                [this] { network_.cut = false; });
        break;
    case 1:
        if (secondary.alive() && !secondary.frozen()) {
            trouble(lasts,
                    [&] {
                        say(other().name + " is frozen");
                        secondary.freeze();
                    },
                    [&secondary] { secondary.thaw(); });
        }
        break;
    case 2:
    case 3:
        if (secondary.alive()) {
            kill_secondary(random.one_in(2), random.one_in(8));
        }
        break;
    case 4: restart_primary(); break;
    case 5:
        trouble(lasts, [this, &random] { network_.slow = random.duration(1ms, 60ms); },
                [this] { network_.slow = {}; });
        break;
    case 6: fail_over(); break;
    default: command_checkpoint(); break;
    }
}

void Simulation::operate()
{
    other().secondary.start();
    history_.begin(primary().disk);
    start_primary(true);
    const std::size_t actions = world_.random().between(4, 14);
    for (std::size_t i = 0; i < actions && working_; i++) {
        world_.sleep(world_.random().duration(10ms, 500ms));
        if (life_ && life_->alive()) {
            one_action();
        }
    }
    if (outcome_.violation.empty()) {
        heal();
        converge();
    }
    working_ = false;
    world_.wait_until(nullptr, world_.now() + 20s, [this] { return busy_ == 0; });
    for (const auto& life : lives_) {
        life->kill();
    }
}

void Simulation::heal()
{
    say("all faults end");
    network_.cut = false;
    network_.slow = {};
    if (other().secondary.frozen()) {
        other().secondary.thaw();
    }
    if (!other().secondary.alive()) {
        other().secondary.start();
    }
    if (!life_ || !life_->alive()) {
        start_primary(true);
    }
}

void Simulation::converge()
{
    working_ = false;
    const auto in_sync = [this] {
        return busy_ == 0 && !other().secondary.frozen() &&
               life_->session().status().phase == SessionStatus::Phase::in_sync &&
               life_->device().stream().complete();
    };
    if (!life_ || !world_.wait_until(nullptr, world_.now() + 60s, in_sync)) {
        fail(fmt::format("converges: after 60 s the phase is {} ({}), {} bytes are missed",
                         to_string(life_->session().status().phase),
                         life_->session().status().dialog.last_error,
                         life_->device().stream().missed().marked_bytes()));
        return;
    }
    std::string error = "not tried";
    for (int attempt = 0; attempt < 20 && !error.empty(); attempt++) {
        world_.sleep(attempt == 0 ? Duration(1ms) : Duration(300ms));
        error = life_->session().checkpoints().make();
    }
    if (!error.empty()) {
        fail("converges: no checkpoint can be made: " + error);
    } else if (primary().disk.content() != other().disk.content()) {
        std::string where;
        for (std::uint64_t n = 0; n < disk_sectors; n++) {
            if (primary().disk.stamp(n) != other().disk.stamp(n)) {
                where += fmt::format(" {}: {} {}", n, primary().disk.stamp(n),
                                     other().disk.stamp(n));
            }
        }
        fail("converges: the disks differ:" + where.substr(0, 200));
    } else if (!other().secondary.promote() ||
               other().disk.content() != primary().disk.content()) {
        fail("failover: the last one does not give the last checkpoint");
    }
}

PairOutcome Simulation::run()
{
    const std::size_t guests = world_.random().between(1, 3);
    for (std::size_t i = 0; i < guests; i++) {
        world_.spawn([this] { guest(); });
    }
    world_.spawn([this] { operate(); });
    if (!world_.run(told_.start() + 600s) && outcome_.violation.empty()) {
        fail("prompt: something waits for ever");
    }
    outcome_.trace = world_.trace();
    return std::move(outcome_);
}

}  // namespace

PairOutcome simulate_pair(std::uint64_t seed, bool verbose)
{
    // Fibers that never end hold on to parts of it.
    auto* simulation = new Simulation(seed, verbose);
    PairOutcome outcome = simulation->run();
    if (outcome.violation.empty()) {
        delete simulation;
    }
    return outcome;
}

}  // namespace resilience::sim
