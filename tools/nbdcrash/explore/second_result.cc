// SPDX-License-Identifier: BSD-3-Clause
#include "tools/nbdcrash/explore/second_result.h"

#include "common/control/json.h"
#include "tools/nbdcrash/explore/journal.h"

namespace resilience::nbdcrash {

Json journal_json(const SecondResult& result)
{
    Json json = {{"listed", result.listed},
                 {"states", result.checked},
                 {"same-content", result.same_content},
                 {"same-reads", result.same_reads},
                 {"by-checker", result.by_checker}};
    if (!result.failed.empty()) {
        json["log"] = result.log;
        json["failed"] = Json::array();
    }
    for (const SecondFailure& failure : result.failed) {
        Json entry = {{"state", failure.state}};
        entry.update(verdict_json(failure.verdict, true));
        entry["content"] = {failure.content.low, failure.content.high};
        entry["dropped"] = failure.dropped;
        entry["torn"] = failure.torn;
        entry["missing"] = failure.missing;
        entry["command"] = failure.command;
        json["failed"].push_back(std::move(entry));
    }
    return json;
}

SecondResult second_result_of(const Json& json)
{
    SecondResult result;
    result.listed = json.at("listed");
    result.checked = json.at("states");
    result.same_content = json.at("same-content");
    result.same_reads = json.at("same-reads");
    result.by_checker = json.at("by-checker");
    result.log = json.value("log", "");
    for (const Json& entry : json.value("failed", Json::array())) {
        SecondFailure failure;
        failure.state = entry.at("state");
        failure.verdict = verdict_of(entry);
        failure.content = {entry.at("content").at(0), entry.at("content").at(1)};
        failure.dropped = entry.at("dropped");
        failure.torn = entry.at("torn");
        failure.missing = entry.at("missing");
        failure.command = entry.at("command");
        result.failed.push_back(std::move(failure));
    }
    return result;
}

}  // namespace resilience::nbdcrash
