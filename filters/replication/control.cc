// SPDX-License-Identifier: BSD-3-Clause
#include "filters/replication/control.h"

#include <fmt/format.h>

#include "common/control/json.h"
#include "common/core/op_blockers.h"

namespace resilience::replication {

namespace {

const Argument mode_argument{"mode", ArgumentType::string, false,
                             "primary or secondary; the server's own if it is not given"};

}  // namespace

std::string_view to_string(Action action)
{
    switch (action) {
    case Action::start: return "start";
    case Action::checkpoint: return "checkpoint";
    case Action::stop: return "stop";
    case Action::failover: return "failover";
    }
    return "unknown";
}

void Control::add_commands(CommandTable& table)
{
    add_qemu_commands(table);
    add_own_commands(table);
    add_refusals(table);
    group_.add_commands(table);
    side_.add_commands(table);
}

void Control::add_qemu_commands(CommandTable& table)
{
    table.add_qemu("xen-set-replication", "start or stop replication, as QEMU has it",
              {{"enable", ArgumentType::boolean, true, "true: start, false: stop"},
               {"primary", ArgumentType::boolean, true, "start as primary or as secondary"},
               {"failover", ArgumentType::boolean, false, "stop: with failover (default true)"}},
              [this](const Json& arguments) {
                  const bool enable = arguments["enable"].get<bool>();
                  const Mode mode =
                      arguments["primary"].get<bool>() ? Mode::primary : Mode::secondary;
                  if (enable && arguments.contains("failover")) {
                      throw CommandError("Parameter 'failover' is only for stopping replication");
                  }
                  if (enable) {
                      run({Action::start, mode});
                      return Json::object();
                  }
                  const bool failover = arguments.value("failover", true);
                  if (!rule_stop(side_.state()).error.empty()) {
                      // QEMU throws the error of a stop with failover away.
                      if (failover) {
                          return Json::object();
                      }
                      throw CommandError(rule_stop(side_.state()).error);
                  }
                  run({failover && options_.mode == Mode::secondary ? Action::failover
                                                                    : Action::stop});
                  return Json::object();
              });
    table.add_qemu("query-xen-replication-status", "whether an error was noted, as QEMU has it", {},
              [this](const Json&) {
                  const auto error = side_.get_error();
                  Json status{{"error", error.has_value()}};
                  if (error) {
                      status["desc"] = *error;
                  }
                  return status;
              });
    table.add_qemu("xen-colo-do-checkpoint", "make a checkpoint, as QEMU has it", {},
              [this](const Json&) {
                  run({Action::checkpoint});
                  return Json::object();
              });
}

void Control::add_own_commands(CommandTable& table)
{
    table.add("replication-start", "start replication", {mode_argument},
              [this](const Json& arguments) {
                  const std::string mode = arguments.value("mode", std::string());
                  if (!mode.empty() && mode != "primary" && mode != "secondary") {
                      throw CommandError(fmt::format(
                          "Parameter 'mode' does not accept value '{}'", mode));
                  }
                  run({Action::start, mode.empty()        ? options_.mode
                                      : mode == "primary" ? Mode::primary
                                                          : Mode::secondary});
                  return Json::object();
              });
    table.add("replication-checkpoint", "make a checkpoint", {}, [this](const Json&) {
        run({Action::checkpoint});
        return Json::object();
    });
    table.add("replication-failover",
              "secondary: merge what it sees into its disk and serve on its own; repeats one "
              "that has failed",
              {{"force", ArgumentType::boolean, false,
                "take the disk as it is although there is no checkpoint (default false)"}},
              [this](const Json& arguments) {
                  run({Action::failover, Mode::unset, arguments.value("force", false)});
                  return Json::object();
              });
    table.add("replication-stop", "stop replication without failover", {}, [this](const Json&) {
        run({Action::stop});
        return Json::object();
    });
    table.add("query-replication", "state, epoch, checkpoint and lag", {},
              [this](const Json&) { return query(); });
}

/// QEMU's commands that would change the disk from another side; they are here
/// to say why not.
void Control::add_refusals(CommandTable& table)
{
    std::vector<Argument> anything;
    for (const char* name : {"device", "node-name", "job-id", "target", "sync", "snapshot-file",
                             "snapshot-node-name", "format", "mode", "node", "overlay", "name",
                             "size", "speed", "base", "top"}) {
        anything.push_back({name, ArgumentType::any, false, "not used"});
    }
    const auto add = [&](const char* name, Command command) {
        table.add_qemu(name, "not possible during replication; says why", anything,
                  [this, name, command](const Json&) -> Json {
                      const State state = side_.state();
                      if (state != State::none && state != State::done) {
                          const Running now{Activity::replication, options_.name};
                          if (const auto reason = blocked(command, {}, {&now, 1})) {
                              throw CommandError(*reason);
                          }
                      }
                      throw CommandError(fmt::format(
                          "{} is not possible here: use the tools of what is below", name));
                  });
    };
    for (const char* name : {"blockdev-snapshot-sync", "blockdev-snapshot",
                             "blockdev-snapshot-internal-sync"}) {
        add(name, Command::snapshot);
    }
    for (const char* name : {"drive-backup", "blockdev-backup", "drive-mirror", "blockdev-mirror",
                             "block-commit", "block-stream", "block_resize"}) {
        add(name, Command::block_job);
    }
}

Json Control::query() const
{
    Json answer = side_.query();
    answer["name"] = options_.name;
    answer["mode"] = std::string(to_string(options_.mode));
    answer["state"] = std::string(to_string(side_.state()));
    const auto error = side_.get_error();
    answer["error"] = error.has_value();
    if (error) {
        answer["error-desc"] = *error;
    }
    return answer;
}

}  // namespace resilience::replication
