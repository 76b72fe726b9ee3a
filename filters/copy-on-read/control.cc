// SPDX-License-Identifier: BSD-3-Clause
#include "filters/copy-on-read/control.h"

#include <cstring>

#include <fmt/format.h>

#include "common/control/json.h"

namespace resilience::cor {

void Control::add_commands(CommandTable& table)
{
    table.add("query-status", "what is local, and how the source is", {},
              [this](const Json&) { return query_status(); });
    table.add("query-counters", "exact counters since the start", {},
              [this](const Json&) { return query_counters(); });
    table.add("query-stream", "how far the stream is", {},
              [this](const Json&) { return query_stream(); });
    table.add("stream-start", "fetch all that is not local", {}, [this](const Json&) {
        want_stream(true);
        return Json::object();
    });
    table.add("stream-stop", "stop that; stream-start goes on where it stopped", {},
              [this](const Json&) {
                  want_stream(false);
                  return Json::object();
              });
    table.add("stream-rate", "limit the stream, or take the limit away",
              {{"bytes-per-second", ArgumentType::integer, true, "0: no limit"}},
              [this](const Json& arguments) {
                  const Json& rate = arguments["bytes-per-second"];
                  if (rate.is_number_integer() && !rate.is_number_unsigned() &&
                      rate.get<std::int64_t>() < 0) {
                      throw CommandError("bytes-per-second must not be negative");
                  }
                  stream_.set_rate(rate.get<std::uint64_t>());
                  return Json::object();
              });
    table.add("flush", "make what is local durable, with its map", {}, [this](const Json&) {
        if (const int error = engine_.local->sync()) {
            throw CommandError(fmt::format("'{}' cannot be made durable: {}",
                                           engine_.local->path(), std::strerror(error)));
        }
        return Json::object();
    });
}

void Control::want_stream(bool wanted)
{
    if (wanted && !no_stream_.empty()) {
        throw CommandError(no_stream_);
    }
    stream_.want(wanted);
}

Json Control::query_status() const
{
    const ClusterMap& map = engine_.local->map();
    const std::uint64_t absent = map.absent_clusters();
    const std::string refusal = engine_.source.refusal();
    const char* source = engine_.source.closed() ? "closed"
                         : !refusal.empty()      ? "refused"
                         : engine_.source.away() ? "lost"
                                                 : "up";
    Json status{
        {"file", engine_.local->path()},
        {"size", map.size()},
        {"cluster-size", map.cluster_size()},
        {"clusters", map.clusters()},
        {"local-clusters", map.clusters() - absent},
        {"complete", absent == 0},
        {"source", engine_.source.name()},
        {"source-state", source},
    };
    const auto device = engine_.source.device();
    if (!refusal.empty()) {
        status["source-error"] = refusal;
    } else if (device && !device->link_error().empty()) {
        status["source-error"] = device->link_error();
    }
    status["stream"] = std::string(stream_.status().state);
    return status;
}

Json Control::query_stream() const
{
    const StreamStatus now = stream_.status();
    Json stream{
        {"child", "copy"},
        {"state", std::string(now.state)},
        {"total-bytes", now.total},
        {"done-bytes", now.done},
        {"remaining-bytes", now.total - now.done},
        {"rate", now.rate},
    };
    if (!now.error.empty()) {
        stream["error"] = now.error;
    }
    return Json::array({stream});
}

Json Control::query_counters() const
{
    const Counters& c = engine_.counters;
    return {
        {"fetches", c.fetches.load()},
        {"fetched-bytes", c.fetched_bytes.load()},
        {"stored-bytes", c.stored_bytes.load()},
        {"passed-bytes", c.passed_bytes.load()},
        {"prefetched-bytes", c.prefetched_bytes.load()},
        {"joined", c.joined.load()},
        {"source-errors", c.source_errors.load()},
        {"timeouts", c.timeouts.load()},
        {"store-failures", c.store_failures.load()},
    };
}

}  // namespace resilience::cor
