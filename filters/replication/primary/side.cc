// SPDX-License-Identifier: BSD-3-Clause

// The primary as a side of a pair: what its parameters become, its states and
// what is told about it.

#include <cerrno>
#include <cstring>
#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "common/control/json.h"
#include "common/core/log.h"
#include "common/thread/background_thread.h"
#include "filters/replication/pair/pair.h"
#include "filters/replication/pair/side.h"
#include "filters/replication/primary/peer_link.h"
#include "filters/replication/primary/session.h"

namespace resilience::replication {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds stop_limit{3000};

double seconds(Duration duration)
{
    return std::chrono::duration<double>(duration).count();
}

class PrimarySide final : public Side {
public:
    PrimarySide(const Options& options, EventBus& events)
        : options_(options), events_(events), identity_file_(options.identity),
          peer_(connect_by_nbd(options.secondary, options.directory, options.timeout))
    {
    }
    ~PrimarySide() override { end_threads(); }

    void get_ready(std::shared_ptr<Device> next, bool background) override;
    void after_fork() override;
    std::shared_ptr<Device> open(const Client&) override { return device_; }
    std::vector<Export> exports() const override { return {{"", "the primary's disk"}}; }
    void cleanup() override;

    State state() const override;
    std::optional<std::string> get_error() const override;
    std::unique_ptr<Prepared> prepare(const Asked& asked) override;
    Json query() const override;
    void checkpoints_by(std::function<std::string()> make) override
    {
        session_->checkpoints().make_by(std::move(make));
    }

private:
    class PreparedCheckpoint;
    class PreparedChange;

    void begin_as_primary(std::uint64_t size);
    std::unique_ptr<ChangeMap> open_map(std::uint64_t size) const;
    void contact();
    void change_state(State state);
    void end_threads();
    Json query_peer(const SessionStatus& status) const;
    Json query_counters(const SessionStatus& status) const;

    const Options& options_;
    EventBus& events_;
    const IdentityFile identity_file_;
    Identity identity_;
    const std::unique_ptr<PeerLink> peer_;
    std::shared_ptr<PrimaryDevice> device_;
    std::unique_ptr<PrimarySession> session_;
    // Their one turn is a life, since both wait by the device's clock.
    BackgroundThread sender_{"repl-send", [this](const std::atomic<bool>&) {
                                 device_->stream().run();
                                 return std::nullopt;
                             }};
    BackgroundThread keeper_{"repl-primary", [this](const std::atomic<bool>&) {
                                 session_->run();
                                 return std::nullopt;
                             }};

    mutable std::mutex mutex_;
    State state_ = State::none;
};

/// A checkpoint that is ready to be made: the guest's later writes wait for it.
class PrimarySide::PreparedCheckpoint final : public Prepared {
public:
    PreparedCheckpoint(Checkpoints& checkpoints, std::uint64_t moment)
        : checkpoints_(checkpoints), turn_(moment)
    {
        must(checkpoints_.prepare(turn_));
    }
    void commit() override { must(checkpoints_.commit(turn_)); }

private:
    static void must(const std::string& error)
    {
        if (!error.empty()) {
            throw CommandError(error);
        }
    }

    Checkpoints& checkpoints_;
    Checkpoints::Turn turn_;
};

/// Start and stop.
class PrimarySide::PreparedChange final : public Prepared {
public:
    PreparedChange(PrimarySide& side, State to) : side_(side), to_(to) {}
    void commit() override { side_.change_state(to_); }

private:
    PrimarySide& side_;
    const State to_;
};

void PrimarySide::begin_as_primary(std::uint64_t size)
{
    identity_ = identity_file_.load();
    const Beginning beginning = begin_primary(identity_, size, random_pair_id());
    if (!beginning.error.empty()) {
        throw SetupError(fmt::format("replication-mode=primary: {}: {}", options_.identity,
                                     beginning.error));
    }
    if (beginning.next != identity_) {
        // Before the first hello: who says that it is the primary has to know
        // it after a crash.
        if (const int error = identity_file_.store(beginning.next)) {
            throw SetupError(fmt::format("replication-identity={}: cannot be written: {}",
                                         options_.identity, std::strerror(error)));
        }
        identity_ = beginning.next;
    }
}

std::unique_ptr<ChangeMap> PrimarySide::open_map(std::uint64_t size) const
{
    if (options_.bitmap.empty()) {
        return std::make_unique<ChangeMap>(size, granularity);
    }
    auto map = ChangeMap::open(options_.bitmap, size, granularity, machine_boot_id());
    if (map->pair() != identity_.pair) {
        // It knows nothing of this pair: everything may differ.
        int error = map->set({0, size});
        if (error == 0) {
            error = map->set_base(identity_.pair, 0);
        }
        if (error != 0) {
            throw SetupError(fmt::format("replication-bitmap={}: cannot be written: {}",
                                         options_.bitmap, std::strerror(error)));
        }
    }
    return map;
}

void PrimarySide::get_ready(std::shared_ptr<Device> next, bool background)
{
    if (!background) {
        throw SetupError("replication-mode=primary: the plugin below, or another filter such as "
                         "retry, lets nbdkit serve one request at a time, and what the secondary "
                         "misses could not be read beside the guest's requests; use a plugin that "
                         "serves requests in parallel, such as file, without that filter");
    }
    begin_as_primary(next->size());
    auto map = open_map(next->size());
    device_ = std::make_shared<PrimaryDevice>(options_, std::move(next), std::move(map));
    session_ = std::make_unique<PrimarySession>(
        options_, *device_, *peer_, identity_,
        [this](const std::string& event, const std::string& text) {
            log::notice("{}: {}", options_.name, text);
            // A primary that falls behind again and again changes often.
            events_.emit(event, {{"name", options_.name}, {"text", text}}, event);
        });
    device_->on_ask([this] { session_->wake(); });
    if (options_.checkpoint_on_flush) {
        device_->on_flush([this] {
            session_->checkpoints().want(options_.protocol == Protocol::sync);
            return 0;
        });
    }
    if (options_.autostart) {
        contact();
        state_ = State::running;
        session_->enable();
    }
}

/// Asks the secondary whether this side may be the primary, where a person
/// reads the answer.
void PrimarySide::contact()
{
    bool accepted = false;
    const std::string error = session_->first_contact(accepted);
    if (!error.empty()) {
        throw SetupError(fmt::format("replication-secondary={}: {}", options_.secondary, error));
    }
    device_->set_gate(Gate::asking);
    if (accepted || options_.alone) {
        device_->accept();
    }
}

void PrimarySide::after_fork()
{
    device_->local().start();
    device_->start();
    sender_.start();
    keeper_.start();
}

void PrimarySide::end_threads()
{
    if (!device_) {
        return;
    }
    session_->stop();
    device_->stream().stop();  // who waits for it in the session's thread ends
    keeper_.stop(BackgroundThread::no_limit);
    sender_.stop(BackgroundThread::no_limit);
}

void PrimarySide::cleanup()
{
    if (!device_) {
        return;
    }
    end_threads();
    device_->stop(stop_limit);
    device_->local().stop(stop_limit);
    if (const int error = device_->map().close()) {
        log::error("replication-bitmap={}: cannot be closed: {}", options_.bitmap,
                   std::strerror(error));
    }
}

// ---- states

State PrimarySide::state() const
{
    const std::lock_guard lock(mutex_);
    return state_;
}

std::optional<std::string> PrimarySide::get_error() const
{
    const SessionStatus status = session_->status();
    return replication_error(state(), status.phase == SessionStatus::Phase::fenced ||
                                          device_->counters().local_errors != 0 ||
                                          device_->stream().counters().errors != 0);
}

void PrimarySide::change_state(State to)
{
    if (to == State::running) {
        try {
            contact();
        } catch (const SetupError& error) {
            throw CommandError(error.what());
        }
        session_->enable();
    } else {
        // The guest goes on; what it changes is noted for the next start.
        session_->enable(false);
    }
    const std::lock_guard lock(mutex_);
    state_ = to;
}

std::unique_ptr<Prepared> PrimarySide::prepare(const Asked& asked)
{
    const auto proceeds = [](const Ruling& ruling) {
        if (!ruling.error.empty()) {
            throw CommandError(ruling.error);
        }
        return ruling.go;
    };
    switch (asked.action) {
    case Action::start:
        if (proceeds(rule_start(state(), false, Mode::primary, asked.mode))) {
            return std::make_unique<PreparedChange>(*this, State::running);
        }
        break;
    case Action::stop:
        if (proceeds(rule_stop(state()))) {
            return std::make_unique<PreparedChange>(*this, State::done);
        }
        break;
    case Action::checkpoint:
        if (proceeds(rule_checkpoint(state(), Mode::primary))) {
            return std::make_unique<PreparedCheckpoint>(session_->checkpoints(), asked.moment);
        }
        break;
    case Action::failover:
        throw CommandError("this side is the primary: only a secondary can fail over");
    }
    return nullptr;
}

// ---- what is told

Json PrimarySide::query_peer(const SessionStatus& status) const
{
    const Dialog::Status& dialog = status.dialog;
    Json peer{{"address", options_.secondary},
              {"connected", dialog.session != 0},
              {"sessions", dialog.sessions}};
    if (dialog.heard != TimePoint{}) {
        peer["heard-seconds-ago"] = seconds(real_clock().now() - dialog.heard);
        peer["state"] = std::string(to_string(dialog.peer.state));
        peer["role"] = std::string(to_string(dialog.peer.role));
        peer["epoch"] = dialog.peer.epoch;
        peer["checkpoint"] = dialog.peer.checkpoint;
        peer["consistent"] = dialog.peer.consistent;
        peer["hidden-bytes"] = dialog.peer.hidden_bytes;
        peer["active-bytes"] = dialog.peer.active_bytes;
        peer["error"] = dialog.peer.error == 0 ? "" : std::strerror(
                                                          static_cast<int>(dialog.peer.error));
    }
    return peer;
}

Json PrimarySide::query_counters(const SessionStatus& status) const
{
    const StreamCounters stream = device_->stream().counters();
    const GuestCounters& guest = device_->counters();
    return {{"reads", guest.reads.load()},
            {"writes", guest.writes.load()},
            {"flushes", guest.flushes.load()},
            {"local-errors", guest.local_errors.load()},
            {"refused", guest.refused.load()},
            {"sent", stream.sent},
            {"sent-bytes", stream.sent_bytes},
            {"secondary-errors", stream.errors},
            {"timeouts", stream.timeouts},
            {"unanswered", status.dialog.unanswered},
            {"links-lost", stream.links_lost},
            {"fell-behind", stream.fell_behind},
            {"checkpoints", status.checkpoints.made},
            {"checkpoint-errors", status.checkpoints.errors},
            {"checkpoints-skipped", status.checkpoints.skipped},
            {"read-errors", status.copy.read_errors}};
}

Json PrimarySide::query() const
{
    const SessionStatus status = session_->status();
    const Stream& stream = device_->stream();
    const std::string sent_error = stream.counters().last_error;
    Json answer{{"pair", to_string(identity_.pair)},
                {"role", std::string(to_string(identity_.role))},
                {"epoch", identity_.epoch},
                {"protocol", options_.protocol == Protocol::sync ? "sync" : "async"},
                {"phase", std::string(to_string(status.phase))},
                {"reason", status.reason},
                {"checkpoint", status.checkpoints.last}};
    if (status.checkpoints.last_at != TimePoint{}) {
        answer["checkpoint-age"] = seconds(real_clock().now() - status.checkpoints.last_at);
    }
    answer["lag"] = {{"backlog-bytes", stream.backlog_bytes()},
                     {"backlog-seconds", seconds(stream.backlog_age())},
                     {"missed-bytes", stream.missed().marked_bytes()},
                     {"changed-bytes", device_->map().bits().marked_bytes()}};
    answer["copy"] = {{"total", status.copy.total},
                      {"done", std::min(status.copy.done, status.copy.total)},
                      {"holes", status.copy.holes}};
    answer["secondary"] = query_peer(status);
    answer["counters"] = query_counters(status);
    answer["last-error"] = status.dialog.last_error.empty() ? sent_error : status.dialog.last_error;
    return answer;
}

}  // namespace

std::unique_ptr<Side> make_primary(const Options& options, EventBus& events)
{
    return std::make_unique<PrimarySide>(options, events);
}

}  // namespace resilience::replication
