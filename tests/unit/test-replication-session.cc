// SPDX-License-Identifier: BSD-3-Clause

// The primary's session with a secondary in memory: what becomes of it when
// something unforeseen is thrown in the middle.  Everything else about it is the
// simulation's.

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "filters/replication/primary/session.h"
#include "tests/unit/scratch.h"

using namespace resilience;
using namespace resilience::replication;

namespace {

constexpr std::uint64_t size = 1 << 20;

class Memory final : public Device {
public:
    std::string describe() const override { return "memory"; }
    std::uint64_t size() const override { return ::size; }
    Capabilities capabilities() const override { return {.zero = true}; }
    int execute(Request& request) override
    {
        const std::lock_guard lock(mutex_);
        const auto at = bytes_.begin() + static_cast<std::ptrdiff_t>(request.offset);
        switch (request.op) {
        case Op::read: std::copy_n(at, request.length, request.into.begin()); break;
        case Op::write: std::ranges::copy(request.from, at); break;
        case Op::zero: std::fill_n(at, request.length, std::byte{0}); break;
        default: break;
        }
        return 0;
    }
    void submit(std::shared_ptr<Request> request, Completion done) override
    {
        if (request->op == hangs) {
            const std::lock_guard lock(mutex_);
            left_.emplace_back(std::move(request), std::move(done));
        } else {
            done(execute(*request));
        }
    }
    /// Answers what hangs.
    void thaw(int error)
    {
        hangs.reset();
        for (const auto& [request, done] : left_) {
            done(error);
        }
        left_.clear();
    }
    std::optional<Op> hangs;
    std::vector<std::byte> bytes() const
    {
        const std::lock_guard lock(mutex_);
        return bytes_;
    }

private:
    mutable std::mutex mutex_;
    std::vector<std::byte> bytes_ = std::vector<std::byte>(::size);
    std::vector<std::pair<std::shared_ptr<Request>, Completion>> left_;
};

class Secondary final : public PeerLink {
public:
    std::string connect() override { return {}; }
    std::optional<wire::Status> command(const wire::Command& command) override
    {
        status_.sequence = command.sequence;
        if (command.kind == wire::Kind::hello) {
            status_.session++;
        } else if (command.kind == wire::Kind::checkpoint) {
            status_.checkpoint = command.checkpoint;
            status_.consistent = true;
        }
        const wire::Status answer = status_;
        status_.needs_full = false;
        on_command(command.kind);
        return answer;
    }
    std::optional<wire::Status> status() override { return status_; }
    bool read_map(std::uint64_t, std::span<std::byte>) override { return false; }
    std::shared_ptr<Device> open_data() override { return disk; }
    void disconnect() override {}
    std::string error() const override { return {}; }

    const std::shared_ptr<Memory> disk = std::make_shared<Memory>();
    std::function<void(wire::Kind)> on_command = [](wire::Kind) {};

private:
    wire::Status status_ = [] {
        wire::Status status;
        status.state = State::running;
        status.role = Role::secondary;
        status.needs_full = true;
        status.instance = 1;
        return status;
    }();
};

Options impatient()
{
    Options options;
    options.timeout = std::chrono::milliseconds(20);
    return options;
}

/// A primary whose session is driven by the test, step by step.
struct Primary {
    Options options;
    Secondary secondary;
    std::shared_ptr<Memory> local = std::make_shared<Memory>();
    PrimaryDevice device{options, local, std::make_unique<ChangeMap>(size, granularity)};
    std::function<void(const std::string&)> tell = [](const std::string&) {};
    PrimarySession session{options, device, secondary,
                           Identity{.pair = {std::byte{1}}, .epoch = 1, .role = Role::primary},
                           [this](const std::string&, const std::string& text) { tell(text); }};
    std::thread sender{[this] { device.stream().run(); }};

    explicit Primary(const Options& given = {}) : options(given)
    {
        device.set_gate(Gate::asking);
        session.enable();
    }
    ~Primary()
    {
        device.stream().stop();
        sender.join();
    }
    bool in_sync() const { return session.status().phase == SessionStatus::Phase::in_sync; }
    bool reaches_checkpoint(std::uint64_t number)
    {
        return test::eventually([&] {
            session.step();
            return in_sync() && session.status().checkpoints.last >= number;
        });
    }
    int write(std::uint64_t offset, std::byte what)
    {
        const std::vector<std::byte> bytes(4096, what);
        Request request;
        request.op = Op::write;
        request.offset = offset;
        request.length = bytes.size();
        request.from = bytes;
        return device.execute(request);
    }
};

}  // namespace

TEST_CASE("a checkpoint in which something is thrown holds nothing back, and ends the session")
{
    Primary primary;
    REQUIRE(primary.reaches_checkpoint(1));
    REQUIRE(primary.session.status().dialog.sessions == 1);
    primary.secondary.on_command = [](wire::Kind kind) {
        if (kind == wire::Kind::checkpoint) {
            throw std::bad_alloc();
        }
    };
    CHECK_THROWS_AS(primary.session.checkpoints().make(), std::bad_alloc);
    // It may have been made: a later write must come in another session.
    CHECK_FALSE(primary.device.stream().is_open());
    primary.secondary.on_command = [](wire::Kind) {};
    REQUIRE(primary.write(8192, std::byte{7}) == 0);
    REQUIRE(primary.reaches_checkpoint(3));
    CHECK(primary.session.status().dialog.sessions == 2);
    CHECK(primary.secondary.disk->bytes() == primary.local->bytes());
}

TEST_CASE("a step in which something is thrown is followed by a new session")
{
    Primary primary;
    primary.tell = [&](const std::string& text) {
        if (text.find("-> in-sync") != std::string::npos) {
            throw std::bad_alloc();
        }
    };
    const bool thrown = test::eventually([&] {
        try {
            primary.session.step();
        } catch (const std::bad_alloc&) {
            return true;
        }
        return false;
    });
    REQUIRE(thrown);
    primary.tell = [](const std::string&) {};
    REQUIRE(primary.reaches_checkpoint(1));
    CHECK(primary.session.status().dialog.sessions == 2);
    REQUIRE(primary.write(0, std::byte{3}) == 0);
    CHECK(primary.device.gate() == Gate::open);
    CHECK(primary.session.checkpoints().make().empty());
    CHECK(primary.secondary.disk->bytes() == primary.local->bytes());
}

TEST_CASE("a local disk that hangs holds the session for its timeout, and no longer")
{
    Primary primary(impatient());
    primary.local->hangs = Op::read;
    CHECK(test::eventually([&] {
        primary.session.step();
        return primary.session.status().copy.read_errors != 0;
    }));
    CHECK_FALSE(primary.in_sync());
    primary.local->thaw(EIO);
    REQUIRE(primary.reaches_checkpoint(1));
    CHECK(primary.secondary.disk->bytes() == primary.local->bytes());
}

TEST_CASE("a flush that fails when nobody waits for it any more is told by the next")
{
    Primary primary(impatient());
    primary.local->hangs = Op::flush;
    CHECK(primary.device.flush_local() == ETIMEDOUT);
    primary.local->thaw(ENOSPC);
    CHECK(primary.device.flush_local() == ENOSPC);
    CHECK(primary.device.flush_local() == 0);
}
