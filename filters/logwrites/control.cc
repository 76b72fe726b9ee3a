// SPDX-License-Identifier: BSD-3-Clause
#include "filters/logwrites/control.h"

#include <cerrno>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "common/control/json.h"
#include "filters/logwrites/marks.h"

namespace resilience::logwrites {

std::string mark_error(std::string_view name, int error, const LogStatus& status)
{
    if (const auto reason = refuse_mark(name)) {
        return *reason;
    }
    if (status.state != State::recording && !status.reason.empty()) {
        return fmt::format("the recording has ended: {}", status.reason);
    }
    return fmt::format("the mark could not be written to the log: {}",
                       std::generic_category().message(error));
}

Control::Control(Recorder& recorder, const LogWriter& writer, const Options& options,
                 std::string log_name, const std::atomic<std::uint32_t>& connections)
    : recorder_(recorder), writer_(writer), options_(options), log_name_(std::move(log_name)),
      connections_(connections)
{
}

void Control::add_commands(CommandTable& table)
{
    table.add("mark", "Insert a mark into the log",
              {{"name", ArgumentType::string, true, "1 to 479 bytes, no control characters"}},
              [this](const Json& arguments) { return mark(arguments); });
    table.add("query-logwrites", "The state of the recording", {},
              [this](const Json&) { return query(); });
}

Json Control::mark(const Json& arguments)
{
    const auto name = arguments["name"].get<std::string>();
    std::uint64_t entry = 0;
    if (const int error = recorder_.mark(name, 0, "control", &entry)) {
        throw CommandError(mark_error(name, error, writer_.status()));
    }
    return {{"entry", entry}};
}

Json Control::query() const
{
    const LogStatus status = writer_.status();
    Json result{
        {"log", log_name_},
        {"state", std::string(to_string(status.state))},
        {"recording", status.state == State::recording},
    };
    if (!status.reason.empty()) {
        result["reason"] = status.reason;
    }
    result["entries"] = status.entries;
    result["counted-entries"] = status.counted;
    result["log-bytes"] = status.bytes;
    result["sector-size"] = status.sector_size;
    result["marks"] = status.marks;
    result["flushes"] = status.flushes;
    result["connections"] = connections_.load();
    result["device-bytes"] = recorder_.device().size();
    result["full"] = std::string(to_string(options_.full));
    result["ext"] = options_.ext;
    result["sync"] = options_.sync;
    if (status.log_id != 0) {
        result["log-id"] = fmt::format("{:08x}", status.log_id);
    }
    return result;
}

}  // namespace resilience::logwrites
