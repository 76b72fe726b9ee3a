// SPDX-License-Identifier: BSD-3-Clause
#include "tools/nbdcrash/explore/journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "common/control/json.h"
#include "tools/nbdcrash/tool_error.h"

namespace resilience::nbdcrash {

namespace {

constexpr std::array<std::pair<const char*, Verdict::Kind>, 3> results = {{
    {"good", Verdict::Kind::good},
    {"bad", Verdict::Kind::bad},
    {"skip", Verdict::Kind::skip},
}};

std::string read_all(int fd, const std::string& path)
{
    std::string text;
    std::array<char, 65536> buffer;
    for (;;) {
        const auto length = ::read(fd, buffer.data(), buffer.size());
        if (length == -1) {
            throw ToolError(fmt::format("{}: cannot be read: {}", path, std::strerror(errno)));
        }
        if (length == 0) {
            return text;
        }
        text.append(buffer.data(), static_cast<std::size_t>(length));
    }
}

}  // namespace

Json verdict_json(const Verdict& verdict, bool output)
{
    Json json;
    for (const auto& [name, kind] : results) {
        if (verdict.kind == kind) {
            json["result"] = name;
        }
    }
    switch (verdict.ended.how) {
    case Ended::How::exited: json["exit"] = verdict.ended.status; break;
    case Ended::How::killed: json["signal"] = verdict.ended.status; break;
    case Ended::How::timed_out: json["timeout"] = true; break;
    case Ended::How::interrupted: break;
    }
    json["seconds"] = std::round(verdict.ended.seconds * 1e6) / 1e6;
    json["by"] = verdict.by_oracle ? "oracle" : "check";
    if (output) {
        json["output"] = verdict.ended.output;
    }
    return json;
}

Verdict verdict_of(const Json& json)
{
    Verdict verdict;
    const std::string result = json.at("result");
    for (const auto& [name, kind] : results) {
        if (result == name) {
            verdict.kind = kind;
        }
    }
    verdict.by_oracle = json.value("by", "check") == "oracle";
    verdict.ended.seconds = json.value("seconds", 0.0);
    verdict.ended.output = json.value("output", "");
    if (json.contains("signal")) {
        verdict.ended.how = Ended::How::killed;
        verdict.ended.status = json.at("signal");
    } else if (json.contains("timeout")) {
        verdict.ended.how = Ended::How::timed_out;
    } else {
        verdict.ended.status = json.value("exit", 0);
    }
    return verdict;
}

Json failure_json(const Verdict& verdict)
{
    Json json = verdict_json(verdict, true);
    json.erase("result");
    return json;
}

Journal::Journal(const std::string& path, const Json& question)
    : path_(path), fd_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644))
{
    if (!fd_) {
        throw ToolError(fmt::format("--resume {}: cannot be opened: {}", path,
                                    std::strerror(errno)));
    }
    if (::flock(fd_.get(), LOCK_EX | LOCK_NB) == -1) {
        throw ToolError(fmt::format("--resume {}: another nbdcrash is using it", path));
    }
    const std::string text = read_all(fd_.get(), path);
    if (text.find('\n') == std::string::npos) {
        if (!text.empty() && !text.starts_with("{\"nbdcrash\"")) {
            throw ToolError(fmt::format("--resume {}: is a file of something else", path));
        }
        if (::ftruncate(fd_.get(), 0) == -1) {
            throw ToolError(fmt::format("--resume {}: {}", path, std::strerror(errno)));
        }
        ::lseek(fd_.get(), 0, SEEK_SET);
        write(question);
        return;
    }
    load(text, question);
}

void Journal::load(const std::string& text, const Json& question)
{
    std::size_t at = 0;
    for (std::uint64_t number = 1;; number++) {
        const auto end = text.find('\n', at);
        if (end == std::string::npos) {
            break;
        }
        const auto line = parse_json(std::string_view(text).substr(at, end - at));
        if (number == 1 && (!line || *line != question)) {
            throw ToolError(fmt::format("--resume {}: is of another exploration (log, states, "
                                        "checker or options are others); remove it to begin anew",
                                        path_));
        }
        try {
            if (!line) {
                throw Json::other_error::create(500, "no JSON", nullptr);
            }
            if (number > 1) {
                Line entry{verdict_of(*line), std::nullopt, nullptr};
                if (line->contains("like")) {
                    entry.like = line->at("like").get<std::uint64_t>();
                }
                if (line->contains("second")) {
                    entry.second =
                        std::make_shared<SecondResult>(second_result_of(line->at("second")));
                }
                lines_[line->at("number").get<std::uint64_t>()] = std::move(entry);
            }
        } catch (const Json::exception&) {
            throw ToolError(fmt::format("--resume {}: line {} is damaged", path_, number));
        }
        at = end + 1;
    }
    if (::ftruncate(fd_.get(), static_cast<off_t>(at)) == -1) {
        throw ToolError(fmt::format("--resume {}: {}", path_, std::strerror(errno)));
    }
    ::lseek(fd_.get(), static_cast<off_t>(at), SEEK_SET);
}

std::optional<Journal::Line> Journal::find(std::uint64_t number) const
{
    const auto line = lines_.find(number);
    return line == lines_.end() ? std::nullopt : std::optional(line->second);
}

void Journal::add(std::uint64_t number, const std::string& state, const Line& line)
{
    Json json = {{"number", number}, {"state", state}};
    json.update(verdict_json(line.verdict, line.verdict.is_bad()));
    if (line.like) {
        json["like"] = *line.like;
    }
    if (line.second) {
        json["second"] = journal_json(*line.second);
    }
    write(json);
}

void Journal::write(const Json& line)
{
    const std::string text = to_line(line) + "\n";
    const auto written = ::write(fd_.get(), text.data(), text.size());
    if (written != static_cast<ssize_t>(text.size())) {
        throw ToolError(fmt::format("--resume {}: cannot be written: {}", path_,
                                    std::strerror(written == -1 ? errno : ENOSPC)));
    }
}

}  // namespace resilience::nbdcrash
