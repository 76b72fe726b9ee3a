// SPDX-License-Identifier: BSD-3-Clause
#include "tests/sim/replication/primary_life.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

namespace resilience::sim {

using namespace std::chrono_literals;
using namespace replication;

struct PrimaryLife::State {
    World& world;
    Network& network;
    Host& host;
    Host& other;
    Hooks hooks;
    Duration timeout;
    bool alive = true;

    Duration some_time() const
    {
        Random& random = world.random();
        return network.slow + (random.one_in(10) ? random.duration(1ms, 40ms)
                                                 : random.duration(10us, 900us));
    }
    bool reaches(std::uint64_t cuts) const
    {
        return alive && !network.cut && network.cuts == cuts && other.secondary.alive();
    }
};

/// The primary's own disk: never fails, takes its time.
class PrimaryLife::LocalDisk final : public Device {
public:
    explicit LocalDisk(std::shared_ptr<State> state) : state_(std::move(state)) {}

    std::string describe() const override { return state_->host.name; }
    std::uint64_t size() const override { return state_->host.disk.size(); }
    Capabilities capabilities() const override { return {.fua = true, .zero = true}; }
    void submit(std::shared_ptr<Request> request, Completion done) override
    {
        done(execute(*request));
    }

    int execute(Request& request) override
    {
        state_->world.preempt();
        if (!state_->alive) {
            return EIO;
        }
        Disk& disk = state_->host.disk;
        switch (request.op) {
        case Op::read: disk.read(request.offset, request.into); break;
        case Op::write: disk.write(request.offset, request.from); break;
        case Op::zero: disk.zero(request.offset, request.length); break;
        case Op::flush: disk.flush(); break;
        default: break;
        }
        if (modifies(request.op)) {
            state_->hooks.changed({request.offset, request.end()});
        }
        state_->world.preempt();
        return 0;
    }

private:
    const std::shared_ptr<State> state_;
};

/// A connection to the secondary's export `primary`.
class PrimaryLife::Data final : public Device, public std::enable_shared_from_this<Data> {
public:
    explicit Data(std::shared_ptr<State> state)
        : state_(std::move(state)), cuts_(state_->network.cuts),
          instance_(state_->other.secondary.instance()),
          connection_(state_->other.secondary.connect())
    {
    }

    std::string describe() const override { return "data"; }
    std::uint64_t size() const override { return state_->other.disk.size(); }
    Capabilities capabilities() const override { return {.zero = true, .forgets_unflushed = true}; }
    int execute(Request&) override { return ENOTSUP; }
    Link link() const override { return intact() ? Link::up : Link::down; }
    std::string link_error() const override { return intact() ? "" : "broken"; }
    void stop(std::chrono::milliseconds) override { stopped_ = true; }

    void submit(std::shared_ptr<Request> request, Completion done) override
    {
        // It may have to wait in a buffer of the network, also beyond the end
        // of its connection.
        Duration transit = state_->some_time();
        if (state_->world.random().one_in(60)) {
            transit += state_->world.random().duration(50ms, 1500ms);
            state_->network.late_until =
                std::max(state_->network.late_until, state_->world.now() + transit);
        }
        state_->world.after(transit, [self = shared_from_this(), request, done] {
            self->arrives(request, done);
        });
    }

private:
    bool intact() const
    {
        return !stopped_ && state_->reaches(cuts_) &&
               state_->other.secondary.instance() == instance_;
    }

    void arrives(const std::shared_ptr<Request>& request, const Completion& done)
    {
        Secondary& secondary = state_->other.secondary;
        if (!secondary.alive() || secondary.instance() != instance_ ||
            (!intact() && state_->world.random().one_in(2))) {
            answer(done, ENOTCONN);
            return;
        }
        secondary.when_thawed([self = shared_from_this(), request, done] {
            Secondary& there = self->state_->other.secondary;
            const int error = request->op == Op::flush ? there.flush(self->connection_)
                                                       : there.write(self->connection_, *request);
            self->state_->world.after(self->state_->some_time(), [self, done, error] {
                self->answer(done, self->intact() ? error : ENOTCONN);
            });
        });
    }

    void answer(const Completion& done, int error)
    {
        if (state_->alive) {
            done(error);
        }
    }

    const std::shared_ptr<State> state_;
    const std::uint64_t cuts_;
    const std::uint64_t instance_;
    const std::uint32_t connection_;
    bool stopped_ = false;
};

class PrimaryLife::Control final : public PeerLink {
public:
    explicit Control(std::shared_ptr<State> state) : state_(std::move(state)) {}

    std::string connect() override
    {
        connected_ = false;
        if (!transfer()) {
            return error_;
        }
        cuts_ = state_->network.cuts;
        instance_ = state_->other.secondary.instance();
        connected_ = true;
        return {};
    }

    std::optional<wire::Status> command(const wire::Command& command) override
    {
        return ask([this, command] { return state_->other.secondary.command(command); });
    }
    std::optional<wire::Status> status() override
    {
        return ask([this] { return state_->other.secondary.status(); });
    }
    bool read_map(std::uint64_t offset, std::span<std::byte> into) override
    {
        if (!transfer() || !intact()) {
            return false;
        }
        const DirtyBitmap& bits = state_->other.map->bits();
        for (std::size_t i = 0; i < into.size() * 8; i++) {
            const std::uint64_t begin = (offset * 8 + i) * granularity;
            const bool set = begin < bits.size() && bits.any({begin, begin + 1});
            if (i % 8 == 0) {
                into[i / 8] = std::byte{0};
            }
            into[i / 8] |= static_cast<std::byte>(set ? 1U << (i % 8) : 0U);
        }
        return true;
    }
    std::shared_ptr<Device> open_data() override
    {
        if (!transfer() || !intact()) {
            return nullptr;
        }
        return std::make_shared<Data>(state_);
    }
    void disconnect() override { connected_ = false; }
    std::string error() const override { return error_; }

private:
    struct Exchange {
        std::optional<wire::Status> answer;
        bool over = false;
    };

    bool intact() const
    {
        return connected_ && state_->reaches(cuts_) &&
               state_->other.secondary.instance() == instance_;
    }
    bool transfer()
    {
        const std::uint64_t cuts = state_->network.cuts;
        state_->world.sleep(state_->some_time());
        const bool there = state_->reaches(cuts) && !state_->other.secondary.frozen();
        if (!there) {
            error_ = "it cannot be reached";
            if (state_->alive && state_->other.secondary.frozen()) {
                state_->world.sleep(state_->timeout);
            }
        }
        return there;
    }
    /// A command may be carried out although its answer is lost, and late.
    std::optional<wire::Status> ask(std::function<wire::Status()> what)
    {
        auto exchange = std::make_shared<Exchange>();
        if (!intact()) {
            error_ = "not connected";
            return std::nullopt;
        }
        World& world = state_->world;
        const auto deliver = [state = state_, exchange, what = std::move(what),
                              instance = instance_] {
            Secondary& secondary = state->other.secondary;
            if (!secondary.alive() || secondary.instance() != instance) {
                return;
            }
            secondary.when_thawed([state, exchange, what] {
                const wire::Status answer = what();
                state->world.after(state->some_time(), [exchange, answer] {
                    exchange->answer = answer;
                    exchange->over = true;
                });
            });
        };
        Duration transit = state_->some_time();
        if (world.random().one_in(40)) {
            transit += world.random().duration(100ms, 1200ms);
            state_->network.late_until =
                std::max(state_->network.late_until, world.now() + transit);
        }
        world.after(transit, deliver);
        const bool answered = world.wait_until(nullptr, world.now() + state_->timeout,
                                               [&] { return exchange->over || !intact(); });
        if (!answered || !exchange->over || !intact()) {
            error_ = answered ? "the connection is lost" : "no answer";
            return std::nullopt;
        }
        return exchange->answer;
    }

    const std::shared_ptr<State> state_;
    bool connected_ = false;
    std::uint64_t cuts_ = 0;
    std::uint64_t instance_ = 0;
    std::string error_;
};

PrimaryLife::PrimaryLife(World& world, Clock& clock, Network& network, Host& host, Host& other,
                         const Options& options, Hooks hooks)
    : world_(world), host_(host), options_(options),
      state_(std::make_shared<State>(
          State{world, network, host, other, std::move(hooks), options.timeout})),
      link_(std::make_unique<Control>(state_)),
      device_(std::make_shared<PrimaryDevice>(options_, std::make_shared<LocalDisk>(state_),
                                              std::exchange(host.map, nullptr), clock)),
      session_(std::make_unique<PrimarySession>(
          options_, *device_, *link_, host.identity,
          [say = state_->hooks.say](const std::string& event, const std::string& text) {
              say(event + ": " + text);
          }))
{
    device_->on_ask([this] { session_->wake(); });
    if (options_.checkpoint_on_flush) {
        device_->on_flush([this] {
            session_->checkpoints().want(options_.protocol == Protocol::sync);
            return 0;
        });
    }
}

PrimaryLife::~PrimaryLife() = default;

bool PrimaryLife::begin(std::string& why)
{
    bool accepted = false;
    why = session_->first_contact(accepted);
    if (!why.empty() || !state_->alive) {
        return false;
    }
    device_->set_gate(Gate::asking);
    if (accepted || options_.alone) {
        device_->accept();
    }
    session_->enable();
    world_.spawn([this] { device_->stream().run(); });
    world_.spawn([this] { session_->run(); });
    return true;
}

void PrimaryLife::kill(bool power)
{
    if (!state_->alive) {
        return;
    }
    state_->alive = false;
    if (power) {
        host_.disk.lose_power(world_.random());
        state_->hooks.changed({0, host_.disk.size()});
    }
    host_.map = copy_of(device_->map());
    host_.has_map = true;
    session_->stop();
    device_->stream().stop();
    device_->set_gate(Gate::fenced);  // ends who waits for it
}

bool PrimaryLife::alive() const
{
    return state_->alive;
}

}  // namespace resilience::sim
