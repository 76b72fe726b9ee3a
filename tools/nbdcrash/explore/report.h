// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What an exploration has found.

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/control/json.h"
#include "tools/nbdcrash/explore/runner.h"

namespace resilience::nbdcrash {

/// Collects outcomes.  One thread at a time.
class Report {
public:
    /// `question`: what was asked for, as it stands in the report.
    Report(const Subject& subject, Json question);

    void add(const Outcome& outcome);
    /// `ended`: "complete", "out of time", "interrupted", or an error's text.
    void end(const std::string& ended, double seconds);

    std::uint64_t checked() const { return checked_; }
    /// Of those that were checked, in both rounds.
    std::uint64_t bad() const { return failed_.size() + second_failed_.size(); }
    bool is_complete() const { return ended_ == "complete"; }

    /// The document that --json writes; its keys are in the manual.
    Json json() const;
    /// The same in few lines, for people.
    Json summary() const;

    /// A state that was checked and is bad.
    struct Failed {
        Outcome outcome;
        std::uint64_t same = 0;  ///< so many other states are the same
    };
    const std::vector<Failed>& failed() const { return failed_; }

    /// A bad state behind a crash in the recovery of a good one.
    struct SecondFailed {
        std::string first;  ///< the state that was recovered
        std::string mark;
        std::string log;    ///< of the recovery; empty if it is not kept
        SecondFailure failure;
        std::uint64_t same = 0;
    };
    const std::vector<SecondFailed>& second_failed() const { return second_failed_; }
    const Subject& subject() const { return subject_; }

private:
    void add_second(const Outcome& outcome);
    Json failed_json(const Failed& failed) const;
    Json second_json() const;

    const Subject& subject_;
    const Json question_;
    std::uint64_t listed_ = 0;
    std::uint64_t checked_ = 0;
    std::uint64_t resumed_ = 0;
    std::uint64_t same_content_ = 0;
    std::uint64_t same_reads_ = 0;
    std::uint64_t skipped_by_checker_ = 0;
    std::uint64_t bad_ = 0;  ///< with those that are the same
    std::vector<Failed> failed_;
    std::unordered_map<std::uint64_t, std::size_t> failed_of_;  ///< by number
    std::unordered_map<std::uint64_t, std::uint64_t> root_;  ///< a state that is like a like
    const bool with_second_;
    SecondResult second_;            ///< the sum of all
    std::uint64_t recoveries_ = 0;   ///< that were recorded
    std::vector<SecondFailed> second_failed_;
    std::unordered_map<ContentValue, std::size_t, ContentValueHash> second_failed_of_;
    std::string ended_ = "complete";
    double seconds_ = 0;
};

/// Writes a file as a whole or not at all.  Throws ToolError.
void write_file(const std::string& path, const std::string& text);

/// Throws ToolError.
void make_report_folder(const std::string& folder);

/// Makes `folder` if it is not there, and in it: report.json; junit.xml, for
/// continuous integration; states.txt, the bad states, one a line; picture.svg;
/// and index.html, for people, which needs no other file and no network.
/// `json` is report.json().  Throws ToolError.
void write_report_folder(const Report& report, const Json& json, const std::string& folder);

}  // namespace resilience::nbdcrash
