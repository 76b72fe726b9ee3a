// SPDX-License-Identifier: BSD-3-Clause
#include "filters/replication/pair/group.h"

#include <xxhash.h>

#include <algorithm>
#include <thread>

#include <fmt/format.h>

#include "common/control/json.h"
#include "common/control/qmp_client.h"
#include "common/core/log.h"
#include "filters/replication/pair/identity.h"

namespace resilience::replication {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kept_outcomes = 64;
constexpr std::chrono::milliseconds retry_interval{20};
/// How long to sleep if nothing is prepared; prepare() wakes.
constexpr std::chrono::hours idle_interval{1};

Action parse_action(const std::string& text)
{
    for (const Action action : {Action::start, Action::checkpoint, Action::stop,
                                Action::failover}) {
        if (text == to_string(action)) {
            return action;
        }
    }
    throw CommandError(fmt::format("Parameter 'action' does not accept value '{}'", text));
}

/// Ends by itself, so it is worth another try.
class Busy : public CommandError {
public:
    static constexpr const char* name = "GroupBusy";  ///< QMP's class of it
    explicit Busy(const std::string& text) : CommandError(text, name) {}
};

}  // namespace

/// A disk of the group, while it is asked for something.
struct Group::Member {
    std::string socket;
    std::unique_ptr<QmpClient> client;

    Json call(const char* command, const Json& arguments, TimePoint deadline)
    try {
        if (!client) {
            client = std::make_unique<QmpClient>(socket, deadline);
        }
        return client->execute(command, arguments, deadline);
    } catch (const QmpError& error) {
        const std::string text = fmt::format("the disk '{}' of the group: {}", socket, error.what());
        if (error.error_class() == Busy::name) {
            throw Busy(text);
        }
        throw CommandError(text);
    }
};

void Group::add_commands(CommandTable& table)
{
    const Argument token{"token", ArgumentType::string, true, "names one operation of the group"};
    table.add("group-prepare", "used between the disks of a group: get ready",
              {token,
               {"action", ArgumentType::string, true, "start, checkpoint, stop or failover"},
               {"mode", ArgumentType::string, true, "of start: primary or secondary"},
               {"force", ArgumentType::boolean, true, "of failover"}},
              [this](const Json& arguments) {
                  Asked asked;
                  asked.action = parse_action(arguments["action"].get<std::string>());
                  const auto mode = arguments["mode"].get<std::string>();
                  asked.mode = mode == "primary"     ? Mode::primary
                               : mode == "secondary" ? Mode::secondary
                                                     : Mode::unset;
                  asked.force = arguments["force"].get<bool>();
                  prepare(arguments["token"].get<std::string>(), asked);
                  return Json{{"moment", fmt::format("{:016x}", side_.moment())}};
              });
    table.add("group-commit", "used between the disks of a group: do it", {token},
              [this](const Json& arguments) {
                  commit(arguments["token"].get<std::string>());
                  return Json::object();
              });
    table.add("group-drop", "used between the disks of a group: forget it", {token},
              [this](const Json& arguments) {
                  drop(arguments["token"].get<std::string>());
                  return Json::object();
              });
    table.add("group-outcome", "used between the disks of a group: what became of it", {token},
              [this](const Json& arguments) {
                  const Outcome found = outcome(arguments["token"].get<std::string>());
                  return Json{{"committed", found == Outcome::committed}};
              });
}

void Group::start()
{
    if (!options_.group.empty()) {
        watcher_.start();
    }
}

void Group::stop()
{
    watcher_.stop(BackgroundThread::no_limit);
    const std::lock_guard lock(mutex_);
    prepared_.reset();
}

void Group::run(const Asked& asked)
{
    if (options_.group.empty()) {
        if (const auto prepared = side_.prepare(asked)) {
            prepared->commit();
        }
        return;
    }
    const auto give_up = Clock::now() + options_.timeout;
    while (!run_once(asked, Clock::now() >= give_up)) {
        std::this_thread::sleep_for(retry_interval);
    }
}

bool Group::is_this(const Member& member) const
{
    return member.socket == options_.control;
}

bool Group::run_once(const Asked& asked, bool last_try)
{
    const auto decide_until = Clock::now() + options_.timeout;  // half of what members wait
    const std::string token = to_string(random_pair_id());
    // In the same order whoever asks: then of two that ask at the same time one
    // is refused by the first disk, and the other one gets them all.
    std::vector<Member> members;
    members.push_back({options_.control, nullptr});
    for (const std::string& socket : options_.group) {
        members.push_back({socket, nullptr});
    }
    std::ranges::sort(members, {}, &Member::socket);
    try {
        prepare_all(members, token, asked, decide_until);
    } catch (const std::exception& error) {
        drop_all(members, token);
        const bool busy = dynamic_cast<const Busy*>(&error) != nullptr;
        if (busy && !last_try) {
            return false;
        }
        throw CommandError(fmt::format("{}; no disk of the group has done it", error.what()));
    }
    commit_all(members, token);
    return true;
}

void Group::prepare_all(std::vector<Member>& members, const std::string& token, const Asked& asked,
                        TimePoint decide_until)
{
    for (Member& member : members) {
        if (is_this(member)) {
            prepare(token, asked);
            continue;
        }
        const Json ready = member.call("group-prepare",
                                       {{"token", token},
                                        {"action", std::string(to_string(asked.action))},
                                        {"mode", std::string(to_string(asked.mode))},
                                        {"force", asked.force}},
                                       decide_until);
        if (asked.action == Action::failover && !asked.force) {
            compare_moments(ready.value("moment", std::string()), member.socket);
        }
    }
    if (Clock::now() >= decide_until) {
        throw CommandError("the disks of the group were not ready in time");
    }
}

void Group::drop_all(std::vector<Member>& members, const std::string& token)
{
    drop(token);
    for (Member& member : members) {
        try {
            if (!is_this(member) && member.client) {
                member.call("group-drop", {{"token", token}}, Clock::now() + options_.timeout);
            }
        } catch (const std::exception&) {  // it lets go by itself
        }
    }
}

/// Whatever happens to one of them, all are told.
void Group::commit_all(std::vector<Member>& members, const std::string& token)
{
    std::string failed;
    const auto tell = [&](const auto& step) {
        try {
            step();
        } catch (const std::exception& error) {
            failed += (failed.empty() ? "" : "; ") + std::string(error.what());
        }
    };
    tell([&] { commit(token); });
    for (Member& member : members) {
        if (!is_this(member)) {
            tell([&] {
                member.call("group-commit", {{"token", token}}, Clock::now() + options_.timeout);
            });
        }
    }
    if (!failed.empty()) {
        throw CommandError(failed + "; the other disks of the group have done it");
    }
}

/// A failover of disks whose last checkpoints are not one would make a machine
/// that never was.
void Group::compare_moments(const std::string& theirs, const std::string& socket) const
{
    if (theirs != fmt::format("{:016x}", side_.moment())) {
        throw CommandError(fmt::format(
            "this disk and '{}' do not have the same checkpoint: the last one was made on some disks "
            "of the group only.  With force each is taken as of its own",
            socket));
    }
}

std::string Group::checkpoint()
try {
    run({Action::checkpoint});
    return {};
} catch (const std::exception& error) {
    return error.what();
}

void Group::prepare(const std::string& token, Asked asked)
{
    asked.moment = std::max<std::uint64_t>(XXH3_64bits(token.data(), token.size()), 1);
    {
        const std::lock_guard lock(mutex_);
        if (!token_.empty()) {
            throw Busy("something else is being done with the group: try again");
        }
        token_ = token;
        expires_ = Clock::now() + 2 * options_.timeout;
    }
    watcher_.wake();
    std::unique_ptr<Prepared> prepared;
    try {
        prepared = side_.prepare(asked);
    } catch (...) {
        drop(token);
        throw;
    }
    const std::lock_guard lock(mutex_);
    if (token_ != token) {  // it took too long, and was dropped meanwhile
        throw CommandError("the disk was not ready in time");
    }
    prepared_ = std::move(prepared);
}

void Group::commit(const std::string& token)
{
    std::unique_ptr<Prepared> prepared;
    {
        const std::lock_guard lock(mutex_);
        if (token_ != token) {
            throw CommandError("it is not prepared (any more)");
        }
        note(token, Outcome::committed);
        prepared = std::move(prepared_);
        token_.clear();
    }
    if (prepared) {
        prepared->commit();
    }
}

void Group::drop(const std::string& token)
{
    std::unique_ptr<Prepared> prepared;
    const std::lock_guard lock(mutex_);
    if (token_ == token) {
        note(token, Outcome::dropped);
        prepared = std::move(prepared_);
        token_.clear();
    }
}

Group::Outcome Group::outcome(const std::string& token)
{
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(outcomes_.begin(), outcomes_.end(),
                                    [&](const auto& each) { return each.first == token; });
    return found == outcomes_.end() ? Outcome::unknown : found->second;
}

void Group::note(const std::string& token, Outcome outcome)
{
    outcomes_.emplace_back(token, outcome);
    if (outcomes_.size() > kept_outcomes) {
        outcomes_.pop_front();
    }
}

bool Group::others_have_committed(const std::string& token) const
{
    return std::ranges::any_of(options_.group, [&](const std::string& socket) {
        Member member{socket, nullptr};
        try {
            return member
                .call("group-outcome", {{"token", token}}, Clock::now() + std::chrono::seconds(1))
                .value("committed", false);
        } catch (const CommandError&) {
            return false;
        }
    });
}

/// Ends what was prepared, when whoever asked for it is gone.
std::optional<TimePoint> Group::watch()
{
    std::string token;
    {
        const std::lock_guard lock(mutex_);
        if (token_.empty() || Clock::now() < expires_) {
            return token_.empty() ? Clock::now() + idle_interval : expires_;
        }
        token = token_;
    }
    const bool committed = others_have_committed(token);
    log::notice("replication: {}: whoever prepared the group is gone; the others have {}",
                options_.name, committed ? "done it, so it is done" : "not done it either");
    try {
        committed ? commit(token) : drop(token);
    } catch (const CommandError& error) {
        log::error("replication: {}: {}", options_.name, error.what());
    }
    return Clock::now();
}

}  // namespace resilience::replication
