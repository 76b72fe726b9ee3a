// SPDX-License-Identifier: BSD-3-Clause

// minimize: which of the missing writes of a bad state matter.

#include <algorithm>
#include <iterator>
#include <memory>

#include <fmt/format.h>

#include "common/control/json.h"
#include "common/replay/point.h"
#include "tools/nbdcrash/commands.h"
#include "tools/nbdcrash/explore/journal.h"
#include "tools/nbdcrash/explore/judge.h"
#include "tools/nbdcrash/explore/missing.h"
#include "tools/nbdcrash/explore/shrink.h"
#include "tools/nbdcrash/explore/tears.h"
#include "tools/nbdcrash/output.h"

namespace resilience::nbdcrash {

namespace {

using namespace writelog;

constexpr std::size_t most_writes = 64;

struct MinimizeOptions : SubjectOptions {
    std::string state;
};

using Numbers = std::vector<std::uint64_t>;

/// `state` in which nothing but `wrong` (entries) is missing or torn.
State only(const State& state, const Numbers& wrong)
{
    const auto is_wrong = [&](std::uint64_t entry) {
        return std::ranges::binary_search(wrong, entry);
    };
    State result{state.entries, {}, {}};
    std::ranges::copy_if(state.dropped, std::back_inserter(result.dropped), is_wrong);
    std::ranges::copy_if(state.torn, std::back_inserter(result.torn),
                         [&](const Tear& tear) { return is_wrong(tear.entry); });
    return result;
}

/// The state with the fewest writes missing that is still bad: of the missing
/// writes and tears of `state`, which is bad, as few as possible stay; and of a
/// tear that stays, as few missing sectors as possible.
State minimal_state(Judge& judge, const Subject& subject, State state)
{
    Numbers wrong = state.dropped;
    for (const Tear& tear : state.torn) {
        wrong.push_back(tear.entry);
    }
    std::ranges::sort(wrong);
    wrong = shrink(wrong, [&](const Numbers& some) { return judge.is_bad(only(state, some)); });
    state = only(state, wrong);
    for (Tear& tear : state.torn) {
        const std::uint64_t count = subject.index()[tear.entry].sectors;
        const Numbers missing = others(tear.sectors, count);
        if (missing.size() <= 1) {
            continue;
        }
        const Numbers fewer = shrink(missing, [&](const Numbers& some) {
            State candidate = state;
            std::ranges::find(candidate.torn, tear.entry, &Tear::entry)->sectors =
                others(some, count);
            return judge.is_bad(candidate);
        });
        tear.sectors = others(fewer, count);
    }
    return state;
}

Exit print_result(const Subject& subject, const MinimizeOptions& options, const State& state,
                  const Verdict& verdict, std::uint64_t checks)
{
    const std::string name = to_string(subject.index(), state);
    const Json json = {{"log", options.log.log},
                       {"given", options.state},
                       {"state", name},
                       {"dropped", state.dropped},
                       {"torn", torn_json(state)},
                       {"missing", missing_json(subject, state, most_writes)},
                       {"failure", failure_json(verdict)},
                       {"checks", checks},
                       {"command", subject.serving_command(name)}};
    if (options.log.json) {
        print(json, true);
        return Exit::found;
    }
    const std::size_t count = state.dropped.size() + state.torn.size();
    print(fmt::format("{}: bad, and {}\n", name,
                      count == 0   ? "nothing is missing in it: the point itself is bad"
                      : count == 1 ? "the only write that is missing is"
                                   : fmt::format("the {} writes that are missing are", count)));
    for (const Json& write : json["missing"]) {
        print("\n" + missing_text(write));
    }
    print(fmt::format("\nThe checker said ({} checks):\n{}\nThis serves the state:\n\n  {}\n",
                      checks, printed(verdict.ended),
                      json["command"].get<std::string>()));
    return Exit::found;
}

Exit minimize(const MinimizeOptions& options)
{
    require_check(options.check);
    const Subject subject(options);
    const State given = resolve_state(subject.index(), options.state);
    become_subreaper();
    Stop stop;
    Exit status = Exit::ok;
    run_interruptible(stop, [&] {
        // All states between the given one and its minimum have what is before that.
        Judge judge(subject, options.check, stop, first_missing(given));
        if (!judge.is_bad(given)) {
            options.log.json ? print({{"log", options.log.log},
                                      {"given", options.state},
                                      {"state", nullptr},
                                      {"checks", judge.checks()}},
                                     true)
                             : print(fmt::format("{}: is not bad\n", options.state));
            return;
        }
        const State least = minimal_state(judge, subject, given);
        const Verdict verdict = judge.check(least);
        status = print_result(subject, options, least, verdict, judge.checks());
    });
    return status;
}

}  // namespace

void add_minimize(CLI::App& app, Run& run)
{
    const auto options = std::make_shared<MinimizeOptions>();
    CLI::App* command =
        app.add_subcommand("minimize", "Which of the missing writes of a bad state matter");
    add_subject_options(*command, *options, false);
    command->add_option("STATE", options->state, "The bad state")->required();
    command->add_flag("--json", options->log.json, "Print one JSON document");
    add_check_options(*command, options->check);
    command->callback([options, &run] { run = [options] { return minimize(*options); }; });
}

}  // namespace resilience::nbdcrash
