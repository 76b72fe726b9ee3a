// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What all simulations have: what came of a run, what is told of it, and the lines
// that a program of many runs prints.

#include <cstdint>
#include <string>

#include "common/thread/clock.h"
#include "tests/sim/world.h"

namespace resilience::sim {

/// What came of a run, or of several.
struct Outcome {
    std::string violation;         ///< empty: all promises were kept
    std::string log;               ///< if `verbose`
    std::uint64_t trace = 0;       ///< equal for equal runs
    std::uint64_t operations = 0;
    std::uint64_t errors = 0;      ///< of them, that were answered with an error
    std::uint64_t faults = 0;      ///< that hit
    Duration slowest{};            ///< operation

    /// Adds the numbers of another run.
    void add(const Outcome& run);
    /// "N operations, N failed; N faults; slowest N ms".
    std::string text() const;
};

/// Writes down what happens in a run, with its time since this was made.
class Transcript {
public:
    Transcript(const World& world, bool verbose);

    bool verbose() const { return verbose_; }
    Duration elapsed() const { return world_.now() - start_; }
    TimePoint start() const { return start_; }
    void say(Outcome& outcome, const std::string& what) const;
    /// A promise was broken.  The first one counts: others may follow from it.
    void fail(Outcome& outcome, const std::string& what) const;

private:
    const World& world_;
    const bool verbose_;
    const TimePoint start_;
};

/// All of a simulation runs on one thread, as fibers that ThreadSanitizer does not
/// know.  True: there is nothing to run; it has been said.
bool skips_thread_sanitizer();

/// A run that is not the same a second time cannot be looked at.  Says so.
void say_not_deterministic(std::uint64_t seed);

}  // namespace resilience::sim
