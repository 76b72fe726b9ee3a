// SPDX-License-Identifier: BSD-3-Clause
// timeout: 3600
//
// Runs a pair of replicated disks in a simulated world, once for each seed: the
// real primary against a model of a secondary (host.h), a guest that writes
// to whoever is the primary, and an operator who checkpoints, fails over and
// fails back while connections break, hosts freeze, crash and lose their disks.
// Says which promise was broken:
//
//   exact       A checkpoint holds what the primary's disk held at one moment,
//               and that is not older than the command that asked for it.
//   failover    gives exactly the last checkpoint.
//   known       Wherever the primary's disk differs from the last checkpoint, its
//               change map says so, at every moment.
//   fenced      After a failover the old primary acknowledges nothing any more,
//               once it could know.
//   prompt      No request of the guest waits much longer than the timeout.
//   converges   When the faults end, the disks become equal.
//
//   sim-replication                      ten thousand seeds
//   NBDRES_QUICK=1 sim-replication       a thousand, for continuous integration
//   NBDRES_LONG=1 sim-replication        a hundred thousand
//   sim-replication --seed N --verbose   one run again, with all that happens in it

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include <CLI/CLI.hpp>
#include <fmt/core.h>

#include "common/core/log.h"
#include "tests/sim/replication/simulation.h"

using namespace resilience;
using namespace resilience::sim;

int main(int argc, char** argv)
{
    if (skips_thread_sanitizer()) {
        return 0;
    }
    log::set_sink([](log::Level, const std::string&) noexcept {});
    std::uint64_t seed = 1;
    std::uint64_t seeds = 0;
    bool verbose = false;
    bool first_only = false;
    CLI::App app("A pair of replicated disks in a simulated world.");
    app.add_option("--seed", seed, "the first seed");
    app.add_option("--seeds", seeds, "how many");
    app.add_flag("--verbose", verbose, "print what happens in the first run");
    app.add_flag("--stop-at-first", first_only, "end after the first failure");
    bool ignored = false;
    app.add_flag("--no-shrink", ignored, "accepted, as sim-quorum has it");
    CLI11_PARSE(app, argc, argv);
    if (seeds == 0) {
        seeds = app.count("--seed") != 0        ? 1
                : std::getenv("NBDRES_LONG")    ? 100000
                : std::getenv("NBDRES_QUICK")   ? 1000
                                                : 10000;
    }
    constexpr std::uint64_t per_line = 1000;
    PairOutcome sum;
    int number = 0;
    int failed = 0;
    for (std::uint64_t from = seed; from < seed + seeds; from += per_line) {
        const std::uint64_t end = std::min(from + per_line, seed + seeds);
        bool right = true;
        for (std::uint64_t s = from; s < end; s++) {
            const PairOutcome outcome = simulate_pair(s, verbose && s == seed);
            std::fputs(outcome.log.c_str(), stdout);
            if (s == seed && simulate_pair(s, false).trace != outcome.trace) {
                say_not_deterministic(s);
                right = false;
            }
            if (!outcome.violation.empty()) {
                std::printf("# seed %llu: %s\n# again: tests/sim/sim-replication --seed %llu "
                            "--verbose\n",
                            static_cast<unsigned long long>(s), outcome.violation.c_str(),
                            static_cast<unsigned long long>(s));
                right = false;
                if (first_only) {
                    break;
                }
            }
            sum.add(outcome);
            sum.checkpoints += outcome.checkpoints;
            sum.failovers += outcome.failovers;
        }
        failed += !right;
        std::printf("%sok %d - replication: seeds %llu to %llu\n", right ? "" : "not ", ++number,
                    static_cast<unsigned long long>(from),
                    static_cast<unsigned long long>(end - 1));
        std::fflush(stdout);
        if (!right && first_only) {
            break;
        }
    }
    fmt::print("# {}; {} checkpoints, {} failovers\n", sum.text(), sum.checkpoints,
               sum.failovers);
    std::printf("1..%d\n", number);
    return failed == 0 ? 0 : 1;
}
