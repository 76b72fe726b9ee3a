// SPDX-License-Identifier: BSD-3-Clause
#include "filters/quorum/reporter.h"

#include <cstdio>
#include <cstring>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "common/control/event.h"
#include "common/control/json.h"
#include "common/core/compare.h"
#include "common/core/log.h"
#include "filters/quorum/child.h"

namespace resilience::quorum {

namespace {

/// Sectors as QEMU's events count them: those that the range touches.
void add_sectors(Json& data, ByteRange range)
{
    const std::uint64_t first = range.begin / sector_size;
    const std::uint64_t end = (range.end + sector_size - 1) / sector_size;
    data["sector-num"] = first;
    data["sectors-count"] = end - first;
}

std::string where(const Json& data)
{
    if (data.value("type", "") == "flush") {
        return {};
    }
    return fmt::format(" of sectors {}+{}", data["sector-num"].get<std::uint64_t>(),
                       data["sectors-count"].get<std::uint64_t>());
}

std::string bad_in_words(const Json& data)
{
    const std::string what = fmt::format("child '{}': {}{}",
                                         data["node-name"].get<std::string>(),
                                         data["type"].get<std::string>(), where(data));
    if (data.contains("error")) {
        return what + " failed: " + data["error"].get<std::string>();
    }
    const std::string words =
        fmt::format("{}: its data lost the vote; first difference at byte {}, {} sectors differ",
                    what, data["first-difference"].get<std::uint64_t>(),
                    data["differing-sectors"].get<std::uint64_t>());
    if (!data.contains("zeroes-against-data")) {
        return words;
    }
    return fmt::format("{}; in {} of them the others have zeroes and it has data: that is never "
                       "repaired by itself, for the data may be the last copy",
                       words, data["zeroes-against-data"].get<std::uint64_t>());
}

/// Events about one child, but for its reports.
std::string child_in_words(const std::string& event, const Json& data)
{
    const std::string child = fmt::format("child '{}'", data["node-name"].get<std::string>());
    if (event == "QUORUM_CHILD_STATE") {
        return fmt::format("{}: {} -> {}: {}", child, data["from"].get<std::string>(),
                           data["to"].get<std::string>(), data["reason"].get<std::string>());
    }
    if (event == "QUORUM_CHILD_SPEED") {
        return fmt::format("{}: {} in each {}: {} us, the others {} us", child,
                           data["slow"].get<bool>() ? "slow" : "not slow any more",
                           data["operation"].get<std::string>(),
                           data["latency-us"].get<std::int64_t>(),
                           data["peers-us"].get<std::int64_t>());
    }
    if (event == "QUORUM_RESYNC_STARTED") {
        return fmt::format("{}: the resync of {} bytes begins", child,
                           data["bytes"].get<std::uint64_t>());
    }
    if (event == "QUORUM_RESYNC_COMPLETED") {
        return fmt::format("{}: the resync of {} bytes is complete", child,
                           data["bytes"].get<std::uint64_t>());
    }
    if (event == "QUORUM_RESYNC_BLOCKED") {
        return fmt::format("{}: the resync cannot copy{}: too few other children agree on it",
                           child, where(data));
    }
    if (event == "QUORUM_CHILD_FOREIGN") {
        return fmt::format("{}: foreign: {}; it is not used until somebody says child-accept", child,
                           data["reason"].get<std::string>());
    }
    return child + (event == "QUORUM_CHILD_ADDED" ? " has been added" : " has been removed");
}

std::string in_words(const Event& event)
{
    if (event.name == "QUORUM_REPORT_BAD") {
        return bad_in_words(event.data);
    }
    if (event.name == "QUORUM_FENCED") {
        return "another server has taken this set over; this one answers everything with an error";
    }
    if (event.name == "QUORUM_FAILURE") {
        return fmt::format("no quorum for sectors {}+{}: too few children agree",
                           event.data["sector-num"].get<std::uint64_t>(),
                           event.data["sectors-count"].get<std::uint64_t>());
    }
    return child_in_words(event.name, event.data);
}

/// Where a fault is, and of what kind; how it is may change.
std::string place_of(const Json& data)
{
    return data.value("type", "failure") + where(data);
}

log::Level level_of(const Event& event)
{
    if (event.name == "QUORUM_REPORT_BAD" || event.name == "QUORUM_FAILURE" ||
        event.name == "QUORUM_FENCED") {
        return log::Level::error;
    }
    const bool worse = event.name == "QUORUM_RESYNC_BLOCKED" ||
                       event.name == "QUORUM_CHILD_FOREIGN" ||
                       (event.name == "QUORUM_CHILD_SPEED" && event.data["slow"] == true) ||
                       (event.name == "QUORUM_CHILD_STATE" &&
                        event.data["to"] != to_string(ChildState::online));
    return worse ? log::Level::warning : log::Level::notice;
}

Json child_data(const Child& child)
{
    return {{"child", child.name()}, {"node-name", child.node_name()}};
}

}  // namespace

Reporter::Reporter(EventBus& bus, std::string name)
    : bus_(bus), name_(std::move(name)),
      log_listener_(bus.add_listener([this](const Event& event) { log(event); }))
{
}

Reporter::~Reporter()
{
    bus_.remove_listener(log_listener_);
}

/// A line for each event; but a fault that comes again and again is not written
/// each time.
void Reporter::log(const Event& event)
{
    const log::Level level = level_of(event);
    std::string words = in_words(event);
    if (level == log::Level::error) {
        const std::string who = event.data.value("node-name", name_);
        const auto verdict = budgets_[who].happened(place_of(event.data), words,
                                                    std::chrono::steady_clock::now());
        if (!verdict.write) {
            return;
        }
        words += verdict.note();
    }
    log::write(level, fmt::format("{}: {}", name_, words));
}

void Reporter::report_bad(const Child& child, const BadReport& report)
{
    Json data{{"type", std::string(to_string(report.fault))}};
    if (report.error != 0) {
        data["error"] = std::strerror(report.error);
    }
    data["node-name"] = child.node_name();
    add_sectors(data, report.range);
    data["child"] = child.name();
    if (report.mismatch) {
        data["first-difference"] = report.mismatch->first_difference;
        data["differing-sectors"] = report.mismatch->differing_sectors;
        if (report.mismatch->zeroes_against_data != 0) {
            data["zeroes-against-data"] = report.mismatch->zeroes_against_data;
        }
    }
    bus_.emit("QUORUM_REPORT_BAD", std::move(data), child.node_name());
}

void Reporter::failure(ByteRange range)
{
    Json data{{"reference", name_}};
    add_sectors(data, range);
    bus_.emit("QUORUM_FAILURE", std::move(data), "all");  // one limit over all of them
}

void Reporter::state_changed(const Child& child, ChildState from, ChildState to,
                             const std::string& reason)
{
    Json data = child_data(child);
    data["from"] = std::string(to_string(from));
    data["to"] = std::string(to_string(to));
    data["reason"] = reason;
    bus_.emit("QUORUM_CHILD_STATE", std::move(data));
}

void Reporter::speed_changed(const Child& child, const SpeedReport& report)
{
    const auto us = [](std::chrono::nanoseconds time) {
        return std::chrono::ceil<std::chrono::microseconds>(time).count();
    };
    Json data = child_data(child);
    data["operation"] = std::string(to_string(report.op));
    data["slow"] = report.slow;
    data["latency-us"] = us(report.latency);
    data["peers-us"] = us(report.peers);
    bus_.emit("QUORUM_CHILD_SPEED", std::move(data));
}

void Reporter::resync_started(const Child& child, std::uint64_t bytes)
{
    Json data = child_data(child);
    data["bytes"] = bytes;
    bus_.emit("QUORUM_RESYNC_STARTED", std::move(data));
}

void Reporter::resync_completed(const Child& child, std::uint64_t bytes)
{
    Json data = child_data(child);
    data["bytes"] = bytes;
    bus_.emit("QUORUM_RESYNC_COMPLETED", std::move(data));
}

void Reporter::resync_blocked(const Child& child, ByteRange range)
{
    Json data = child_data(child);
    add_sectors(data, range);
    bus_.emit("QUORUM_RESYNC_BLOCKED", std::move(data));
}

void Reporter::foreign(const Child& child, const std::string& why)
{
    Json data = child_data(child);
    data["reason"] = why;
    bus_.emit("QUORUM_CHILD_FOREIGN", std::move(data));
}

void Reporter::child_added(const Child& child)
{
    bus_.emit("QUORUM_CHILD_ADDED", child_data(child));
}

void Reporter::child_removed(const Child& child)
{
    bus_.emit("QUORUM_CHILD_REMOVED", child_data(child));
}

void Reporter::fenced()
{
    bus_.emit("QUORUM_FENCED", {{"reference", name_}});
}

void Reporter::housekeep(TimePoint now)
{
    bus_.run_due(now);
}

void Reporter::blkverify_mismatch(ByteRange range, std::uint64_t first)
{
    const std::string text = fmt::format("quorum: offset={} bytes={} contents mismatch at offset {}",
                                         range.begin, range.length(), first);
    std::fprintf(stderr, "%s\n", text.c_str());
    std::fflush(stderr);
    // Not exit(): other threads are at work, and nothing of theirs may be
    // destroyed under them.
    _exit(1);
}

}  // namespace resilience::quorum
