// SPDX-License-Identifier: BSD-3-Clause
#include "tools/nbdcrash/explore/report.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "common/control/json.h"
#include "common/core/unique_fd.h"
#include "tools/nbdcrash/explore/missing.h"
#include "tools/nbdcrash/tool_error.h"

namespace resilience::nbdcrash {

namespace {

constexpr std::size_t most_missing = 8;
constexpr std::size_t most_details = 100;

}  // namespace

Report::Report(const Subject& subject, Json question)
    : subject_(subject), question_(std::move(question)),
      with_second_(!question_.value("second-crash", Json()).is_null())
{
}

void Report::add(const Outcome& outcome)
{
    listed_++;
    std::uint64_t number = outcome.number;
    if (outcome.rule == Outcome::Rule::checked) {
        checked_++;
        resumed_ += outcome.resumed ? 1 : 0;
        skipped_by_checker_ += outcome.verdict.kind == Verdict::Kind::skip ? 1 : 0;
    } else {
        outcome.rule == Outcome::Rule::same_content ? same_content_++ : same_reads_++;
        const auto root = root_.find(outcome.like);
        number = root == root_.end() ? outcome.like : root->second;
        root_[outcome.number] = number;
    }
    if (outcome.second) {
        add_second(outcome);
    }
    if (!outcome.verdict.is_bad()) {
        return;
    }
    bad_++;
    if (outcome.rule == Outcome::Rule::checked) {
        failed_of_[number] = failed_.size();
        failed_.push_back({outcome, 0});
    } else if (const auto failed = failed_of_.find(number); failed != failed_of_.end()) {
        failed_[failed->second].same++;
    }
}

void Report::add_second(const Outcome& outcome)
{
    const SecondResult& result = *outcome.second;
    recoveries_++;
    second_.listed += result.listed;
    second_.checked += result.checked;
    second_.same_content += result.same_content;
    second_.same_reads += result.same_reads;
    second_.by_checker += result.by_checker;
    // One of an earlier run may be gone.
    const bool is_kept = !result.log.empty() && ::access(result.log.c_str(), R_OK) == 0;
    for (const SecondFailure& failure : result.failed) {
        const auto [known, is_new] =
            second_failed_of_.emplace(failure.content, second_failed_.size());
        if (is_new) {
            second_failed_.push_back(
                {outcome.name, outcome.mark, is_kept ? result.log : "", failure, 0});
        } else {
            second_failed_[known->second].same++;
        }
    }
}

void Report::end(const std::string& ended, double seconds)
{
    ended_ = ended;
    seconds_ = seconds;
}

Json Report::failed_json(const Failed& failed) const
{
    const Outcome& outcome = failed.outcome;
    Json json = {{"state", outcome.name}};
    json.update(failure_json(outcome.verdict));
    json["mark"] = outcome.mark.empty() ? Json(nullptr) : Json(outcome.mark);
    json["same"] = failed.same;
    json["dropped"] = outcome.state.dropped;
    json["torn"] = torn_json(outcome.state);
    json["command"] = subject_.serving_command(outcome.name);
    return json;
}

Json Report::second_json() const
{
    return {{"recoveries", recoveries_},
            {"listed", second_.listed},
            {"states", second_.checked},
            {"skipped", {{"same-content", second_.same_content},
                         {"same-reads", second_.same_reads},
                         {"by-checker", second_.by_checker}}},
            {"bad", second_failed_.size()}};
}

namespace {

Json second_failed_json(const Report::SecondFailed& failed)
{
    const SecondFailure& failure = failed.failure;
    const auto or_null = [](const std::string& text) {
        return text.empty() ? Json(nullptr) : Json(text);
    };
    Json json = {{"state", failed.first},
                 {"second", {{"log", or_null(failed.log)}, {"state", failure.state}}}};
    json.update(failure_json(failure.verdict));
    json["mark"] = or_null(failed.mark);
    json["same"] = failed.same;
    json["dropped"] = failure.dropped;
    json["torn"] = failure.torn;
    json["command"] = or_null(failed.log.empty() ? "" : failure.command);
    json["missing"] = failure.missing;
    return json;
}

}  // namespace

Json Report::json() const
{
    Json json = question_;
    json["device-bytes"] = subject_.size();
    json["listed"] = listed_;
    json["states"] = checked_;
    json["resumed"] = resumed_;
    json["skipped"] = {{"same-content", same_content_},
                       {"same-reads", same_reads_},
                       {"by-checker", skipped_by_checker_}};
    json["bad"] = bad_;
    json["failed"] = Json::array();
    for (const Failed& failed : failed_) {
        Json entry = failed_json(failed);
        if (json["failed"].size() < most_details) {
            entry["missing"] = missing_json(subject_, failed.outcome.state, most_missing);
        }
        json["failed"].push_back(std::move(entry));
    }
    if (with_second_) {
        json["second"] = second_json();
        for (const SecondFailed& failed : second_failed_) {
            json["failed"].push_back(second_failed_json(failed));
        }
    }
    json["ended"] = ended_;
    json["complete"] = is_complete();
    json["seconds"] = std::round(seconds_ * 1e3) / 1e3;
    return json;
}

Json Report::summary() const
{
    Json json = {{"states checked", checked_},
                 {"bad", failed_.size()},
                 {"states listed", listed_},
                 {"saved: same content", same_content_},
                 {"saved: same reads", same_reads_}};
    if (skipped_by_checker_ != 0) {
        json["skipped by the checker"] = skipped_by_checker_;
    }
    if (resumed_ != 0) {
        json["of an earlier run"] = resumed_;
    }
    if (with_second_ && recoveries_ == 0) {
        json["second states"] = "0, the checker wrote nothing";
    } else if (with_second_) {
        json["second states checked"] = second_.checked;
        json["second states bad"] = second_failed_.size();
        json["second states listed"] = fmt::format("{}, of {} recoveries", second_.listed,
                                                   recoveries_);
        json["second saved"] = fmt::format("{} same content, {} same reads",
                                           second_.same_content, second_.same_reads);
    }
    json["ended"] = ended_;
    const double rate = seconds_ > 0 ? static_cast<double>(checked_ - resumed_) / seconds_ : 0;
    json["time"] = fmt::format("{:.1f} s, {:.0f} states per second", seconds_, rate);
    return json;
}

void write_file(const std::string& path, const std::string& text)
{
    // Pipes and devices are written to, and not replaced.
    const bool special = ::access(path.c_str(), F_OK) == 0 && path.starts_with("/dev/");
    const std::string temporary = special ? path : path + ".new";
    const auto fail = [&] {
        const int error = errno;
        if (!special) {
            ::unlink(temporary.c_str());
        }
        throw ToolError(fmt::format("{}: cannot be written: {}", path, std::strerror(error)));
    };
    UniqueFd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!fd) {
        fail();
    }
    for (std::size_t at = 0; at < text.size();) {
        const auto written = ::write(fd.get(), text.data() + at, text.size() - at);
        if (written <= 0) {
            fail();
        }
        at += static_cast<std::size_t>(written);
    }
    if (!special && ::rename(temporary.c_str(), path.c_str()) == -1) {
        fail();
    }
}

}  // namespace resilience::nbdcrash
