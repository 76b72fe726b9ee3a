// SPDX-License-Identifier: BSD-3-Clause
// timeout: 3600
//
// Runs the quorum in a simulated world, once for each seed, with faults that
// the promises cover (see fault_atlas.h), and says which promise was broken.
//
//   sim-quorum                       a few hundred seeds
//   NBDRES_LONG=1 sim-quorum         a hundred thousand
//   sim-quorum --config NAME --seed N --verbose
//                                    one run again, with all that happens in it
//
// A run that fails is repeated with fewer and fewer faults, and the command for
// the smallest is printed.

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include "tests/sim/quorum/simulation.h"

namespace {

using namespace resilience;
using namespace resilience::sim;
using quorum::ReadPattern;

const std::vector<Config>& configurations()
{
    static const std::vector<Config> all{
        {"3-2", 3, 2, ReadPattern::quorum, false, false},
        {"3-2-rewrite", 3, 2, ReadPattern::quorum, true, false},
        {"3-2-fastest", 3, 2, ReadPattern::fastest, false, false},
        {"3-2-fastest-rewrite", 3, 2, ReadPattern::fastest, true, false},
        {"3-2-fifo", 3, 2, ReadPattern::fifo, false, false},
        {"2-1", 2, 1, ReadPattern::quorum, false, false},
        {"2-1-fifo", 2, 1, ReadPattern::fifo, false, false},
        {"5-3-rewrite", 5, 3, ReadPattern::quorum, true, false},
        {"5-3-fastest", 5, 3, ReadPattern::fastest, false, false},
        {"3-2-sectors", 3, 2, ReadPattern::quorum, false, false, true},
        {"3-2-sectors-fifo", 3, 2, ReadPattern::fifo, false, false, true},
        {"5-3-sectors-rewrite", 5, 3, ReadPattern::fastest, true, false, true},
        {"3-2-excess", 3, 2, ReadPattern::quorum, false, true},
        {"3-2-rewrite-excess", 3, 2, ReadPattern::quorum, true, true},
        {"5-3-fastest-excess", 5, 3, ReadPattern::fastest, true, true},
        {"3-2-outages", 3, 2, ReadPattern::quorum, true, false, false, Outages::links},
        {"5-3-fastest-outages", 5, 3, ReadPattern::fastest, true, false, false, Outages::links},
        {"3-2-forget", 3, 2, ReadPattern::quorum, true, false, false, Outages::forget},
        {"5-3-forget", 5, 3, ReadPattern::quorum, true, false, false, Outages::forget},
        {"3-2-restarts", 3, 2, ReadPattern::quorum, false, false, false, Outages::none,
         Restarts::some},
        {"5-3-restarts", 5, 3, ReadPattern::fastest, true, false, false, Outages::none,
         Restarts::some},
    };
    return all;
}

struct Arguments {
    std::string config;
    std::uint64_t seed = 1;
    std::uint64_t seeds = 0;
    std::uint64_t world = 0;           ///< 0: the same as the seed
    std::vector<std::size_t> faults;   ///< empty: all
    bool verbose = false;
    bool shrink = true;
    bool first_only = false;
};

/// What kind of violation it is: its words without the numbers.
std::string kind_of(const std::string& violation)
{
    std::string kind;
    for (const char c : violation.substr(0, violation.find(';'))) {
        if (std::isalpha(static_cast<unsigned char>(c)) != 0) {
            kind += c;
        }
    }
    return kind;
}

/// A run that fails, with as few faults as could be found.
struct Failure {
    std::string kind;
    std::uint64_t world = 0;
    std::vector<std::size_t> faults;  ///< places in the plan

    std::vector<PlannedFault> planned(const Config& config, std::uint64_t seed) const
    {
        const auto plan = plan_faults(config, seed);
        std::vector<PlannedFault> chosen;
        for (const std::size_t place : faults) {
            chosen.push_back(plan.at(place));
        }
        return chosen;
    }
};

/// Whether it fails too with `fewer` faults.  Without one of them all that is
/// left to chance comes out differently, so a few worlds are tried.
bool fails(const Config& config, std::uint64_t seed, Failure& failure,
           const std::vector<std::size_t>& fewer)
{
    for (std::uint64_t i = 0; i < 20; i++) {
        const Failure smaller{failure.kind, failure.world + i, fewer};
        const Outcome outcome =
            simulate(config, smaller.world, smaller.planned(config, seed), false);
        if (!outcome.violation.empty() && kind_of(outcome.violation) == failure.kind) {
            failure = smaller;
            return true;
        }
    }
    return false;
}

/// Leaves out faults as long as the run still fails: first many at a time, then
/// less and less.
void shrink(const Config& config, std::uint64_t seed, Failure& failure)
{
    for (std::size_t size = (failure.faults.size() + 1) / 2; size > 0; size /= 2) {
        for (std::size_t at = 0; at < failure.faults.size();) {
            std::vector<std::size_t> fewer = failure.faults;
            const std::size_t count = std::min(size, fewer.size() - at);
            const auto first = fewer.begin() + static_cast<std::ptrdiff_t>(at);
            fewer.erase(first, first + static_cast<std::ptrdiff_t>(count));
            if (!fails(config, seed, failure, fewer)) {
                at += size;
            }
        }
    }
}

void explain(const Config& config, std::uint64_t seed, Failure failure,
             const Outcome& outcome, const Arguments& arguments)
{
    std::printf("# seed %llu: %s\n", static_cast<unsigned long long>(seed),
                outcome.violation.c_str());
    failure.kind = kind_of(outcome.violation);
    if (arguments.shrink) {
        shrink(config, seed, failure);
    }
    const auto faults = failure.planned(config, seed);
    const Outcome last = simulate(config, failure.world, faults, arguments.verbose);
    std::string places;
    for (const std::size_t place : failure.faults) {
        places += (places.empty() ? "" : ",") + std::to_string(place);
    }
    std::printf("# %zu faults are enough for: %s\n", faults.size(), last.violation.c_str());
    for (const PlannedFault& fault : faults) {
        std::printf("#   %s\n", fault.text().c_str());
    }
    std::printf("# again: tests/sim/sim-quorum --config %s --seed %llu --world %llu --faults %s "
                "--no-shrink --verbose\n",
                config.name.c_str(), static_cast<unsigned long long>(seed),
                static_cast<unsigned long long>(failure.world), places.c_str());
    std::fputs(last.log.c_str(), stdout);
}

/// One configuration; returns whether all its seeds were right.
bool run(const Config& config, const Arguments& arguments)
{
    Outcome sum;
    for (std::uint64_t seed = arguments.seed; seed < arguments.seed + arguments.seeds; seed++) {
        Failure all{{}, arguments.world != 0 ? arguments.world : seed, arguments.faults};
        if (all.faults.empty()) {
            all.faults.resize(plan_faults(config, seed).size());
            std::iota(all.faults.begin(), all.faults.end(), 0);
        }
        const auto faults = all.planned(config, seed);
        const Outcome outcome = simulate(config, all.world, faults, false);
        if (!outcome.violation.empty()) {
            explain(config, seed, all, outcome, arguments);
            return false;
        }
        if (seed == arguments.seed) {
            const Outcome again = simulate(config, all.world, faults, arguments.verbose);
            std::fputs(again.log.c_str(), stdout);
            if (again.trace != outcome.trace) {
                say_not_deterministic(seed);
                return false;
            }
        }
        sum.add(outcome);
    }
    fmt::print("# {}: {}\n", config.name, sum.text());
    return true;
}

}  // namespace

int main(int argc, char** argv)
{
    if (skips_thread_sanitizer()) {
        return 0;
    }
    Arguments arguments;
    CLI::App app("The quorum in a simulated world.");
    app.add_option("--config", arguments.config, "one configuration only");
    app.add_option("--seed", arguments.seed, "the first seed");
    app.add_option("--seeds", arguments.seeds, "how many seeds for each configuration");
    app.add_option("--world", arguments.world, "seed of all but the faults");
    app.add_option("--faults", arguments.faults, "only these faults of the seed")->delimiter(',');
    app.add_flag("--verbose", arguments.verbose, "print what happens in the first run");
    app.add_flag("!--no-shrink", arguments.shrink, "do not look for fewer faults");
    app.add_flag("--stop-at-first", arguments.first_only, "end after the first failure");
    CLI11_PARSE(app, argc, argv);
    if (arguments.seeds == 0) {
        const bool whole_night = std::getenv("NBDRES_LONG") != nullptr;
        arguments.seeds = app.count("--seed") != 0 ? 1 : whole_night ? 8334 : 50;
    }

    int failed = 0;
    int number = 0;
    for (const Config& config : configurations()) {
        if (!arguments.config.empty() && config.name != arguments.config) {
            continue;
        }
        const bool right = run(config, arguments);
        failed += !right;
        std::printf("%sok %d - %s: %llu seeds from %llu\n", right ? "" : "not ", ++number,
                    config.name.c_str(), static_cast<unsigned long long>(arguments.seeds),
                    static_cast<unsigned long long>(arguments.seed));
        std::fflush(stdout);
        if (!right && arguments.first_only) {
            break;
        }
    }
    if (number == 0) {
        std::fprintf(stderr, "no such configuration: %s\n", arguments.config.c_str());
        return 2;
    }
    std::printf("1..%d\n", number);
    return failed == 0 ? 0 : 1;
}
