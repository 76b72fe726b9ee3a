// SPDX-License-Identifier: BSD-3-Clause
#include "tests/sim/run.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include <fmt/format.h>

#if defined(__SANITIZE_THREAD__)
#define THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define THREAD_SANITIZER 1
#endif
#endif

namespace resilience::sim {

namespace {

std::int64_t milliseconds_of(Duration time)
{
    return std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
}

}  // namespace

void Outcome::add(const Outcome& run)
{
    operations += run.operations;
    errors += run.errors;
    faults += run.faults;
    slowest = std::max(slowest, run.slowest);
}

std::string Outcome::text() const
{
    return fmt::format("{} operations, {} failed; {} faults; slowest {} ms", operations, errors,
                       faults, milliseconds_of(slowest));
}

Transcript::Transcript(const World& world, bool verbose)
    : world_(world), verbose_(verbose), start_(world.now())
{
}

void Transcript::say(Outcome& outcome, const std::string& what) const
{
    if (verbose_) {
        outcome.log += fmt::format(
            "# {:10.3f} ms  {}\n", std::chrono::duration<double, std::milli>(elapsed()).count(),
            what);
    }
}

void Transcript::fail(Outcome& outcome, const std::string& what) const
{
    say(outcome, "VIOLATION: " + what);
    if (outcome.violation.empty()) {
        outcome.violation = fmt::format("after {} ms: {}", milliseconds_of(elapsed()), what);
    }
}

bool skips_thread_sanitizer()
{
#ifdef THREAD_SANITIZER
    std::puts("1..0 # SKIP all of it runs on one thread");
    return true;
#else
    return false;
#endif
}

void say_not_deterministic(std::uint64_t seed)
{
    fmt::print("# seed {}: two runs differ: the simulation is not deterministic\n", seed);
}

}  // namespace resilience::sim
