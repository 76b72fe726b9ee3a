// SPDX-License-Identifier: BSD-3-Clause

// explore: checks the states that a crash could have left behind.

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <exception>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "common/control/json.h"
#include "tools/common/progress_line.h"
#include "tools/nbdcrash/commands.h"
#include "tools/nbdcrash/explore/explore_options.h"
#include "tools/nbdcrash/explore/report.h"
#include "tools/nbdcrash/output.h"

namespace resilience::nbdcrash {

namespace {

/// Of the list of states: numbers of another version mean other states.
constexpr int list_version = 2;
/// Bad states, for people.
constexpr std::size_t most_printed = 100;

using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds progress_interval{200};
constexpr unsigned progress_columns = 20;

/// How far an exploration is, on stderr if that is a terminal.
class StateProgress {
public:
    StateProgress(const writelog::LogIndex& index, const StateOptions& states);
    StateProgress(const StateProgress&) = delete;
    StateProgress& operator=(const StateProgress&) = delete;
    ~StateProgress();

    /// Cheap.
    void show(const Report& report);

private:
    const bool terminal_;
    std::uint64_t total_ = 0;
    std::chrono::steady_clock::time_point begin_;
    std::chrono::steady_clock::time_point next_;
    std::uint64_t listed_ = 0;
    bool drawn_ = false;
};

StateProgress::StateProgress(const writelog::LogIndex& index, const StateOptions& states)
    : terminal_(::isatty(STDERR_FILENO) == 1), begin_(SteadyClock::now()), next_(begin_ + progress_interval)
{
    if (terminal_) {
        total_ = count_states(index, states);
    }
}

StateProgress::~StateProgress()
{
    if (drawn_) {
        std::fputs("\r\033[K", stderr);
    }
}

void StateProgress::show(const Report& report)
{
    listed_++;
    const auto now = SteadyClock::now();
    if (!terminal_ || now < next_) {
        return;
    }
    next_ = now + progress_interval;
    const double seconds = std::chrono::duration<double>(now - begin_).count();
    std::fprintf(stderr, "\r\033[K%s%s",
                 tools::progress_bar(listed_, total_, progress_columns).c_str(),
                 fmt::format("{} of {} states, {} bad, {:.0f} checks/s", listed_, total_,
                             report.bad(), static_cast<double>(report.checked()) / seconds)
                     .c_str());
    drawn_ = true;
}

/// What decides about the results, so that a report can be repeated.
Json question(const Subject& subject, const ExploreOptions& options, const StateOptions& states)
{
    const CheckOptions& check = options.subject.check;
    const Json second =
        options.run.second.wanted
            ? Json{{"check", check.second_check.empty() ? check.check : check.second_check},
                   {"exhaustive", options.run.second.exhaustive},
                   {"random", options.run.second.random}}
            : Json(nullptr);
    return {{"log", options.subject.log.log},
            {"entries", subject.index().size()},
            {"check", options.subject.check.check},
            {"oracle", options.subject.check.oracle},
            {"promise", options.subject.check.promise == Promise::set ? "set" : "durable"},
            {"mode", options.mode},
            {"from", states.from},
            {"to", states.to},
            {"exhaustive", states.exhaustive},
            {"random", states.random},
            {"seed", states.seed},
            {"tear-bytes", states.tear},
            {"second-crash", second}};
}

Json journal_header(const Subject& subject, const ExploreOptions& options,
                    const StateOptions& states)
{
    Json header = {{"nbdcrash", "explore"}, {"list-version", list_version}};
    Json asked = question(subject, options, states);
    asked.erase("log");  // it may be elsewhere, and is the same
    header.update(asked);
    header["log-bytes"] = subject.index().end_position();
    header["base"] = options.subject.base;
    header["timeout-ms"] = options.subject.check.timeout.count();
    return header;
}

const char* text_of(RunEnd end)
{
    switch (end) {
    case RunEnd::complete: return "complete";
    case RunEnd::out_of_time: return "out of time";
    case RunEnd::interrupted: break;
    }
    return "interrupted";
}

void list_states(const Subject& subject, const StateOptions& states)
{
    Enumerator enumerator(subject.index(), states);
    while (const auto state = enumerator.next()) {
        print(to_string(subject.index(), *state) + "\n");
    }
}

void print_line(const std::string& name, const Verdict& verdict, std::uint64_t same)
{
    print(fmt::format("bad: {}  ({}{}{})\n", name, kind_of(verdict),
                      verdict.ended.how == Ended::How::timed_out
                          ? ""
                          : fmt::format(" {}", verdict.ended.status),
                      same == 0 ? "" : fmt::format(", and {} states like it", same)));
}

void write_reports(const Report& report, const ExploreOptions& options)
{
    // What the bad states lack is read for it.
    const Json json =
        options.json.empty() && options.report.empty() ? Json() : report.json();
    if (!options.json.empty()) {
        const std::string text = to_pretty(json) + "\n";
        options.json == "-" ? print(text) : write_file(options.json, text);
    }
    if (!options.report.empty()) {
        write_report_folder(report, json, options.report);
    }
    if (options.json != "-") {
        print(report.summary(), false);
        std::size_t room = most_printed;
        const auto print_bad = [&](const std::string& name, const Verdict& verdict,
                                   std::uint64_t same) {
            if (room != 0) {
                room--;
                print_line(name, verdict, same);
            }
        };
        for (const Report::Failed& failed : report.failed()) {
            print_bad(failed.outcome.name, failed.outcome.verdict, failed.same);
        }
        for (const Report::SecondFailed& failed : report.second_failed()) {
            print_bad(fmt::format("{} then {}{}", failed.first,
                                  failed.log.empty() ? "" : failed.log + " ",
                                  failed.failure.state),
                      failed.failure.verdict, failed.same);
        }
        if (report.bad() > most_printed) {
            print(fmt::format("... and {} more; --json and --report have them all\n",
                              report.bad() - most_printed));
        }
    }
}

/// Every wait ends with `stop`; a checker has its time limit.
Exit explore(ExploreOptions& options)
{
    const Subject subject(options.subject);
    const StateOptions states = state_options(options, subject);
    if (options.list) {
        list_states(subject, states);
        return Exit::ok;
    }
    require_check(options.subject.check);
    prepare(options);
    std::optional<Journal> journal;
    if (!options.resume.empty()) {
        journal.emplace(options.resume, journal_header(subject, options, states));
    }
    become_subreaper();
    Report report(subject, question(subject, options, states));
    Stop stop;
    std::exception_ptr error;
    const auto begin = std::chrono::steady_clock::now();
    std::string ended;
    try {
        run_interruptible(stop, [&] {
            StateProgress progress(subject.index(), states);
            Runner runner(subject, states, options.subject.check, options.run,
                          journal ? &*journal : nullptr, stop, [&](const Outcome& outcome) {
                              report.add(outcome);
                              progress.show(report);
                          });
            ended = text_of(runner.run());
        });
    } catch (const std::exception& failure) {
        error = std::current_exception();
        ended = failure.what();
    }
    report.end(ended, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin)
                          .count());
    write_reports(report, options);
    if (error) {
        std::rethrow_exception(error);
    }
    if (report.bad() != 0) {
        return Exit::found;
    }
    return report.is_complete() ? Exit::ok : Exit::unfinished;
}

}  // namespace

void add_explore(CLI::App& app, Run& run)
{
    const auto options = std::make_shared<ExploreOptions>();
    CLI::App* command =
        app.add_subcommand("explore", "Check the states that a crash could have left behind");
    add_explore_options(*command, *options);
    command->callback([options, &run] { run = [options] { return explore(*options); }; });
}

}  // namespace resilience::nbdcrash
