// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A crash while the first one is being recovered from.
//
// A checker that repairs (replays a journal, mounts) writes to the state, and a
// crash may come then, too.  What it has written is a log like any other, over
// that state instead of over nothing; its states are listed the same way, within
// bounds of their own, and each is checked again.  There is no third crash.
//
// The states of one recovery are checked by the worker that checked the state
// before it, one after the other.  What is found out there depends on that
// recovery alone, but for contents that are known from elsewhere; whoever adds
// the results up counts each of them once, in the order of the list.

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "tools/nbdcrash/explore/enumerate.h"
#include "tools/nbdcrash/explore/second_result.h"
#include "tools/nbdcrash/explore/subject.h"

namespace resilience::nbdcrash {

struct SecondOptions {
    bool wanted = false;
    unsigned exhaustive = 4;
    unsigned random = 8;
    std::string keep;  ///< folder for the logs of recoveries that can go wrong, or empty
};

/// What is known of a state after its check, for a look at its recovery.
struct Recovered {
    std::uint64_t number = 0;  ///< in the list
    std::string name;
    std::string mark;
    StateContent content;
    std::string log;           ///< path, of what the check has written
};

/// Safe to use from any thread.
class SecondCrash {
public:
    /// `states`: what was asked for in the first round.
    SecondCrash(const Subject& subject, const StateOptions& states, const CheckOptions& check,
                const SecondOptions& options, bool prune_by_reads);

    bool wanted() const { return options_.wanted; }
    /// Of logs of recoveries, in bytes.
    std::uint32_t sector_size() const;
    /// Whether second states are asked the same question as first ones.
    bool asks_the_same() const { return asks_the_same_; }

    /// The answer to a content that was checked.
    void learn(const ContentValue& content, const Checked& checked);

    /// All states of one recovery.  Nothing if the checks were interrupted.
    /// `contents`: of the first round.  What was read is added to `reads`.
    std::optional<SecondResult> explore(Workbench& bench, const Recovered& first,
                                        const Contents& contents,
                                        std::vector<resilience::ByteRange>& reads);

    /// Removes what was kept of a result that is of no use.
    static void forget(const SecondResult& result);

private:
    struct Before {
        bool operator()(const std::vector<resilience::ByteRange>& a,
                        const std::vector<resilience::ByteRange>& b) const;
    };
    struct Known {
        Verdict verdict;
        const std::vector<resilience::ByteRange>* reads;
    };
    class Round;

    std::optional<Known> find(const ContentValue& content) const;
    void keep(const Recovered& first, SecondResult& result) const;
    std::string kept_path(const Recovered& first) const;

    const Subject& subject_;
    const StateOptions states_;
    const SecondOptions options_;
    const bool prune_by_reads_;
    const bool asks_the_same_;

    mutable std::mutex mutex_;
    std::unordered_map<ContentValue, Known, ContentValueHash> known_;
    /// Most checkers' are the same.
    std::set<std::vector<resilience::ByteRange>, Before> reads_;
};

}  // namespace resilience::nbdcrash
