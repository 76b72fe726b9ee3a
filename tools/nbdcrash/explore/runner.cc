// SPDX-License-Identifier: BSD-3-Clause
#include "tools/nbdcrash/explore/runner.h"

#include <thread>
#include <utility>

#include "common/replay/point.h"
#include "common/thread/thread_start.h"

namespace resilience::nbdcrash {

using namespace writelog;

namespace {

bool uses_mark(const CheckOptions& check)
{
    return !check.oracle.empty() || check.check.find("{mark}") != std::string::npos ||
           check.check.find("NBDCRASH_MARK") != std::string::npos ||
           check.second_check.find("{mark}") != std::string::npos ||
           check.second_check.find("NBDCRASH_MARK") != std::string::npos;
}

}  // namespace

Runner::Runner(const Subject& subject, const StateOptions& states, const CheckOptions& check,
               const RunOptions& options, Journal* journal, const Stop& stop, OnOutcome on_outcome)
    : subject_(subject), check_(check), options_(options), journal_(journal), stop_(stop),
      on_outcome_(std::move(on_outcome)), marks_matter_(uses_mark(check)),
      begin_(std::chrono::steady_clock::now()), enumerator_(subject.index(), states),
      contents_(subject.timeline(), subject.base(), states.from, states.to),
      second_(subject, states, check, options.second, options.prune_by_reads)
{
}

RunEnd Runner::run()
{
    std::vector<std::thread> threads;
    for (unsigned number = 0; number < options_.jobs; number++) {
        threads.push_back(start_thread("check", [this, number] {
            try {
                work(number);
            } catch (...) {
                fail(std::current_exception());
            }
        }));
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    if (error_) {
        std::rethrow_exception(error_);
    }
    return end_;
}

void Runner::fail(std::exception_ptr error)
{
    const std::lock_guard lock(mutex_);
    if (!error_) {
        error_ = std::move(error);
    }
}

void Runner::work(unsigned number)
{
    std::optional<Workbench> bench;
    while (auto pending = take()) {
        if (!bench) {
            bench.emplace(number, options_.jobs, subject_.size(), check_, stop_);
        }
        if (!check(*bench, *pending)) {
            const std::lock_guard lock(mutex_);
            end_ = RunEnd::interrupted;
            return;
        }
        finish(std::move(*pending));
    }
}

bool Runner::check(Workbench& bench, Pending& pending)
{
    const StateToCheck state{pending.outcome.name, pending.outcome.mark,
                             subject_.device(pending.content.map)};
    Checked checked = second_.wanted() ? bench.check_and_record(state, second_.sector_size())
                                       : bench.check(state);
    if (checked.verdict.kind == Verdict::Kind::interrupted ||
        (second_.wanted() && !check_second(bench, pending, checked))) {
        return false;
    }
    pending.outcome.verdict = std::move(checked.verdict);
    pending.reads = std::move(checked.reads);
    pending.has_reads = pending.outcome.verdict.ended.how != Ended::How::timed_out;
    pending.was_run = true;
    return true;
}

/// A crash in the middle of what the check has just done, if that went well.
bool Runner::check_second(Workbench& bench, Pending& pending, Checked& checked)
{
    const Outcome& outcome = pending.outcome;
    if (second_.asks_the_same()) {
        second_.learn(pending.content.device, checked);
    }
    if (checked.verdict.kind != Verdict::Kind::good || checked.recovery.empty()) {
        return true;
    }
    auto result = second_.explore(
        bench, {outcome.number, outcome.name, outcome.mark, pending.content, checked.recovery},
        contents_, checked.reads);
    if (!result) {
        return false;
    }
    pending.outcome.second = std::make_shared<SecondResult>(std::move(*result));
    return true;
}

/// With the lock held.
bool Runner::may_go_on()
{
    if (error_ || end_ != RunEnd::complete) {
        return false;
    }
    if (stop_.requested()) {
        end_ = RunEnd::interrupted;
    } else if (options_.time.count() != 0 &&
               std::chrono::steady_clock::now() - begin_ >= options_.time) {
        end_ = RunEnd::out_of_time;
    }
    return end_ == RunEnd::complete;
}

std::optional<Runner::Pending> Runner::take()
{
    const std::lock_guard lock(mutex_);
    for (;;) {
        if (!may_go_on()) {
            return std::nullopt;
        }
        auto state = enumerator_.next();
        if (!state) {
            return std::nullopt;
        }
        Pending pending;
        Outcome& outcome = pending.outcome;
        outcome.number = taken_++;
        outcome.name = to_string(subject_.index(), *state);
        outcome.mark = last_mark(subject_.index(), *state, check_.promise);
        pending.content = contents_.of(*state);
        outcome.state = std::move(*state);
        if (marks_matter_) {
            pending.content.salt = value_of_mark(outcome.mark);
            pending.content.device += pending.content.salt;
        }
        if (const auto like = memo_.same_content(pending.content, outcome.number)) {
            outcome.rule = Outcome::Rule::same_content;
            outcome.like = *like;
        } else if (const auto known = journal_ ? journal_->find(outcome.number) : std::nullopt) {
            outcome.verdict = known->verdict;
            outcome.resumed = true;
            outcome.second = known->second;
            outcome.rule = known->like ? Outcome::Rule::same_reads : Outcome::Rule::checked;
            outcome.like = known->like.value_or(0);
        } else if (const auto like = options_.prune_by_reads
                                         ? memo_.same_reads(pending.content)
                                         : std::nullopt) {
            outcome.rule = Outcome::Rule::same_reads;
            outcome.like = *like;
        } else {
            return pending;
        }
        pending_.emplace(outcome.number, std::move(pending));
        accept();
    }
}

void Runner::finish(Pending pending)
{
    const std::lock_guard lock(mutex_);
    pending_.emplace(pending.outcome.number, std::move(pending));
    accept();
}

/// Everything that is next in the list; with the lock held.
void Runner::accept()
{
    while (!pending_.empty() && pending_.begin()->first == accepted_) {
        Pending pending = std::move(pending_.extract(pending_.begin()).mapped());
        accepted_++;
        settle(pending);
    }
}

/// Each content counts once, where it comes first in the list.
void Runner::settle_second(Pending& pending)
{
    Outcome& outcome = pending.outcome;
    if (!second_.wanted()) {
        return;
    }
    if (outcome.rule != Outcome::Rule::checked) {
        if (outcome.second) {
            SecondCrash::forget(*outcome.second);
            outcome.second.reset();
        }
        return;
    }
    if (second_.asks_the_same()) {
        counted_.insert(pending.content.device);
    }
    if (outcome.second) {
        for (const ContentValue& content : outcome.second->contents) {
            if (!counted_.insert(content).second) {
                outcome.second->checked--;
                outcome.second->same_content++;
            }
        }
    }
}

void Runner::settle(Pending& pending)
{
    Outcome& outcome = pending.outcome;
    if (pending.was_run) {
        const auto like = options_.prune_by_reads ? memo_.same_reads(pending.content)
                                                  : std::nullopt;
        if (like) {
            outcome.rule = Outcome::Rule::same_reads;
            outcome.like = *like;
        } else if (pending.has_reads) {
            memo_.add(pending.content, pending.reads, outcome.number);
        }
    }
    if (outcome.rule != Outcome::Rule::checked) {
        outcome.verdict = verdicts_.at(outcome.like);
    }
    settle_second(pending);
    if (journal_ && !outcome.resumed && outcome.rule != Outcome::Rule::same_content) {
        journal_->add(outcome.number, outcome.name,
                      {outcome.verdict, outcome.rule == Outcome::Rule::same_reads
                                            ? std::optional(outcome.like)
                                            : std::nullopt,
                       outcome.second});
    }
    on_outcome_(outcome);
    verdicts_.push_back(outcome.verdict);
    verdicts_.back().ended.output.clear();
}

}  // namespace resilience::nbdcrash
