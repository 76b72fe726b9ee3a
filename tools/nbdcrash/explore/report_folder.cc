// SPDX-License-Identifier: BSD-3-Clause
#include "tools/nbdcrash/explore/report.h"

#include <filesystem>

#include <fmt/format.h>

#include "common/control/json.h"
#include "tools/nbdcrash/explore/picture.h"
#include "tools/nbdcrash/tool_error.h"

namespace resilience::nbdcrash {

namespace {

// A page that a person reads; the rest is in report.json.
constexpr std::size_t most_on_page = 20;

std::string how(const Json& failed)
{
    if (failed.contains("timeout")) {
        return "took too long";
    }
    return failed.contains("signal")
               ? fmt::format("killed by signal {}", failed["signal"].get<int>())
               : fmt::format("exit status {}", failed["exit"].get<int>());
}

std::string lines(const Json& array)
{
    std::string text;
    for (const Json& line : array) {
        text += line.get<std::string>() + "\n";
    }
    return escaped(text);
}

std::string write_html(const Json& write)
{
    std::string text = fmt::format(
        "<p>Entry {}: {} of {} bytes at byte {} (0x{:x}), epoch {}{}{}.</p>\n",
        write["entry"].get<std::uint64_t>(), escaped(write["kind"].get<std::string>()),
        write["length"].get<std::uint64_t>(), write["offset"].get<std::uint64_t>(),
        write["offset"].get<std::uint64_t>(), write["epoch"].get<std::uint64_t>(),
        write["time"].is_null() ? "" : ", done at " + escaped(write["time"].get<std::string>()),
        write.contains("missing-sectors")
            ? ", torn: missing are its sectors " + to_line(write["missing-sectors"])
            : "");
    return text + "<pre><b>what it wrote</b>\n" + lines(write["hexdump"]) +
           "<b>what is there</b>\n" + lines(write["instead"]) + "</pre>\n";
}

std::string name_of(const Json& failed)
{
    const std::string state = failed["state"];
    return failed.contains("second")
               ? state + " then " + failed["second"]["state"].get<std::string>()
               : state;
}

std::string command_of(const Json& failed)
{
    return failed["command"].is_null() ? "(its log was not kept)"
                                       : failed["command"].get<std::string>();
}

std::string failed_html(const Json& failed)
{
    const std::size_t all = failed["dropped"].size() + failed["torn"].size();
    std::string text = fmt::format(
        "<h3><code>{}</code></h3>\n<p>{}, by the {}, after {:.3f} s{}.</p>\n",
        escaped(name_of(failed)), how(failed),
        escaped(failed["by"].get<std::string>()), failed["seconds"].get<double>(),
        failed["same"] == 0 ? ""
                            : fmt::format("; {} other states are like it",
                                          failed["same"].get<std::uint64_t>()));
    if (failed.contains("second")) {
        text += "<p>The first state is good; a crash while it was recovered from left this. "
                "What is missing was written by the recovery.</p>\n";
    }
    text += "<p>This serves it again:</p>\n<pre>" + escaped(command_of(failed)) + "</pre>\n";
    text += fmt::format("<p>Missing: {} {}.</p>\n", all, all == 1 ? "write" : "writes");
    if (failed.contains("missing")) {
        for (const Json& write : failed["missing"]) {
            text += write_html(write);
        }
        if (failed["missing"].size() < all) {
            text += "<p>Only the first are shown; <code>nbdcrash minimize</code> tells which of "
                    "them matter.</p>\n";
        }
    }
    return text + "<details><summary>What the checker said</summary><pre>" +
           escaped(failed["output"].get<std::string>()) + "</pre></details>\n";
}

std::string row(const std::string& name, const std::string& value)
{
    return fmt::format("<tr><th>{}</th><td>{}</td></tr>\n", escaped(name), escaped(value));
}

/// In both rounds.
std::uint64_t checked_of(const Json& json)
{
    return json["states"].get<std::uint64_t>() +
           (json.contains("second") ? json["second"]["states"].get<std::uint64_t>() : 0);
}

std::string second_rows(const Json& json)
{
    if (!json.contains("second")) {
        return {};
    }
    const Json& second = json["second"];
    const auto number = [](const Json& value) {
        return std::to_string(value.get<std::uint64_t>());
    };
    return row("second check", json["second-crash"]["check"]) +
           row("recoveries that wrote", number(second["recoveries"])) +
           row("second states listed", number(second["listed"])) +
           row("second states checked", number(second["states"])) +
           row("saved: same content", number(second["skipped"]["same-content"])) +
           row("saved: same reads", number(second["skipped"]["same-reads"]));
}

std::string html(const Json& json, const std::string& picture)
{
    const auto number = [&](const char* key) {
        return std::to_string(json[key].get<std::uint64_t>());
    };
    std::string text =
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
        "<title>Crash states</title>\n<style>body { font-family: sans-serif; max-width: 75rem; "
        "margin: 2rem auto; padding: 0 1rem } pre { background: #f4f4f4; padding: 0.6rem; "
        "overflow-x: auto } th { text-align: left; padding-right: 2rem } code { word-break: "
        "break-all } svg { width: 100%; height: auto }</style></head><body>\n";
    const auto bad = json["failed"].size();
    text += fmt::format("<h1>{}</h1>\n",
                        bad != 0 ? fmt::format("{} of {} states that were checked are bad", bad,
                                               checked_of(json))
                                 : fmt::format("No bad state among {}", checked_of(json)));
    text += "<table>\n" + row("log", json["log"]) + row("check", json["check"]) +
            (json["oracle"] == "" ? "" : row("oracle", json["oracle"])) + row("mode", json["mode"]) +
            row("entries", number("from") + " to " + number("to")) + row("seed", number("seed")) +
            row("states listed", number("listed")) +
            row("saved: same content",
                std::to_string(json["skipped"]["same-content"].get<std::uint64_t>())) +
            row("saved: same reads",
                std::to_string(json["skipped"]["same-reads"].get<std::uint64_t>())) +
            second_rows(json) + row("ended", json["ended"]) +
            row("seconds", to_line(json["seconds"])) + "</table>\n";
    text += picture;
    for (std::size_t i = 0; i < std::min(bad, most_on_page); i++) {
        text += failed_html(json["failed"][i]);
    }
    if (bad > most_on_page) {
        text += fmt::format("<p>{} more are in report.json.</p>\n", bad - most_on_page);
    }
    return text + "</body></html>\n";
}

std::string junit(const Json& json)
{
    const auto bad = json["failed"].size();
    const std::uint64_t states = checked_of(json);
    const bool complete = json["complete"].get<bool>();
    std::string text = fmt::format(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"nbdcrash "
        "explore {}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" time=\"{:.3f}\">\n",
        escaped(json["log"].get<std::string>()), bad + 1 + (complete ? 0 : 1), bad,
        complete ? 0 : 1, json["seconds"].get<double>());
    // What is good has no name worth a line each.
    text += fmt::format("<testcase classname=\"nbdcrash\" name=\"{} good states\"/>\n",
                        states - bad);
    for (const Json& failed : json["failed"]) {
        text += fmt::format("<testcase classname=\"nbdcrash\" name=\"{}\" time=\"{:.3f}\">"
                            "<failure message=\"{}\">{}\n\n{}</failure></testcase>\n",
                            escaped(name_of(failed)), failed["seconds"].get<double>(),
                            how(failed), escaped(command_of(failed)),
                            escaped(failed["output"].get<std::string>()));
    }
    if (!complete) {
        text += fmt::format("<testcase classname=\"nbdcrash\" name=\"all states\"><error "
                            "message=\"{}\"/></testcase>\n",
                            escaped(json["ended"].get<std::string>()));
    }
    return text + "</testsuite>\n</testsuites>\n";
}

}  // namespace

void make_report_folder(const std::string& folder)
{
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) {
        throw ToolError(fmt::format("--report {}: cannot be made: {}", folder, error.message()));
    }
}

void write_report_folder(const Report& report, const Json& json, const std::string& folder)
{
    make_report_folder(folder);
    PictureInput input;
    input.title = json["log"];
    input.from = json["from"];
    input.to = json["to"];
    std::string states;
    for (const Report::Failed& failed : report.failed()) {
        input.bad.emplace_back(failed.outcome.state.entries, failed.outcome.name);
        states += failed.outcome.name + "\n";
        // Of many that are missing nobody knows which matters.
        const writelog::State& state = failed.outcome.state;
        if (state.dropped.size() + state.torn.size() == 1) {
            input.bad_entries.push_back(first_missing(state));
        }
    }
    const std::string picture =
        input.to > input.from ? svg(report.subject().index(), input) : std::string();
    write_file(folder + "/report.json", to_pretty(json) + "\n");
    write_file(folder + "/states.txt", states);
    write_file(folder + "/picture.svg", picture);
    write_file(folder + "/junit.xml", junit(json));
    write_file(folder + "/index.html", html(json, picture));
}

}  // namespace resilience::nbdcrash
