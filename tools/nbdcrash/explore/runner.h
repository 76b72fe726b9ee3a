// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Goes through the list of states with several workers.
//
// Workers take states in the order of the list and finish in any order; results
// are accepted in the order of the list again, and only what was accepted
// decides what need not be checked.  A state that was checked although one
// that was accepted meanwhile makes it superfluous counts as not checked.  So
// the results are the same whatever the number of workers.

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "tools/nbdcrash/explore/enumerate.h"
#include "tools/nbdcrash/explore/journal.h"
#include "tools/nbdcrash/explore/memo.h"
#include "tools/nbdcrash/explore/second_crash.h"
#include "tools/nbdcrash/explore/subject.h"

namespace resilience::nbdcrash {

struct RunOptions {
    unsigned jobs = 1;
    bool prune_by_reads = true;
    std::chrono::milliseconds time{0};  ///< 0: no limit
    SecondOptions second;
};

/// What became of a state.
struct Outcome {
    enum class Rule : std::uint8_t {
        checked,
        same_content,  ///< as `like`
        same_reads,    ///< as `like`
    };
    std::uint64_t number = 0;  ///< in the list, from 0
    writelog::State state;
    std::string name;
    std::string mark;
    Rule rule = Rule::checked;
    std::uint64_t like = 0;
    Verdict verdict;           ///< its own, or that of `like`
    bool resumed = false;      ///< from an earlier run
    std::shared_ptr<SecondResult> second;  ///< of its recovery; null if there was none
};

/// Why it ended.
enum class RunEnd : std::uint8_t { complete, out_of_time, interrupted };

class Runner {
public:
    using OnOutcome = std::function<void(const Outcome&)>;

    /// `on_outcome` is called for every state, in the order of the list, by one
    /// thread at a time.  `journal` may be null.
    Runner(const Subject& subject, const StateOptions& states, const CheckOptions& check,
           const RunOptions& options, Journal* journal, const Stop& stop, OnOutcome on_outcome);

    /// Throws what a worker threw, after all have ended.
    RunEnd run();

private:
    struct Pending {
        Outcome outcome;
        StateContent content;
        std::vector<resilience::ByteRange> reads;
        bool has_reads = false;  ///< else nothing is learned from it
        bool was_run = false;
    };

    void work(unsigned number);
    /// The next state that has to be checked.
    std::optional<Pending> take();
    void finish(Pending pending);
    void accept();
    void settle(Pending& pending);
    void settle_second(Pending& pending);
    /// False: interrupted.
    bool check(Workbench& bench, Pending& pending);
    bool check_second(Workbench& bench, Pending& pending, Checked& checked);
    bool may_go_on();
    void fail(std::exception_ptr error);

    const Subject& subject_;
    const CheckOptions check_;
    const RunOptions options_;
    Journal* const journal_;
    const Stop& stop_;
    const OnOutcome on_outcome_;
    const bool marks_matter_;
    const std::chrono::steady_clock::time_point begin_;

    std::mutex mutex_;
    Enumerator enumerator_;
    Contents contents_;
    Memo memo_;
    SecondCrash second_;
    std::unordered_set<ContentValue, ContentValueHash> counted_;  ///< contents, for second_
    std::uint64_t taken_ = 0;
    std::uint64_t accepted_ = 0;
    std::map<std::uint64_t, Pending> pending_;
    std::vector<Verdict> verdicts_;  ///< of what was accepted; without the output
    RunEnd end_ = RunEnd::complete;
    std::exception_ptr error_;
};

}  // namespace resilience::nbdcrash
