// SPDX-License-Identifier: BSD-3-Clause
#include "tools/nbdcrash/explore/second_crash.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include <fmt/format.h>

#include "common/control/json.h"
#include "common/core/interval_set.h"
#include "tools/nbdcrash/explore/memo.h"
#include "tools/nbdcrash/explore/missing.h"
#include "tools/nbdcrash/tool_error.h"

namespace resilience::nbdcrash {

using namespace writelog;

namespace {

constexpr std::size_t most_missing = 8;
constexpr std::uint64_t after_start_mark = 1;  // entries

StateOptions second_states(const StateOptions& first, const SecondOptions& options)
{
    StateOptions states = first;
    states.exhaustive = std::min(first.exhaustive, options.exhaustive);
    states.random = std::min(first.random, options.random);
    states.sector_size = std::max(first.sector_size, smallest_sector);
    states.tear = (first.tear + states.sector_size - 1) / states.sector_size * states.sector_size;
    states.from = after_start_mark;
    return states;
}

std::vector<resilience::ByteRange> joined(const std::vector<resilience::ByteRange>& a,
                                          const std::vector<resilience::ByteRange>& b,
                                          std::uint64_t size)
{
    IntervalSet set(size);
    for (const auto* ranges : {&a, &b}) {
        for (const auto& range : *ranges) {
            set.add(range);
        }
    }
    return set.ranges();
}

}  // namespace

bool SecondCrash::Before::operator()(const std::vector<resilience::ByteRange>& a,
                                     const std::vector<resilience::ByteRange>& b) const
{
    return std::ranges::lexicographical_compare(
        a, b, {}, [](const auto& range) { return std::pair(range.begin, range.end); },
        [](const auto& range) { return std::pair(range.begin, range.end); });
}

/// One recovery.
class SecondCrash::Round {
public:
    Round(SecondCrash& crash, Workbench& bench, const Recovered& first, const Contents& contents)
        : crash_(crash), bench_(bench), first_(first), all_contents_(contents),
          before_(crash.subject_.device(first.content.map)),
          subject_(crash.subject_, first.name, before_, first.log, crash.kept_path(first)),
          contents_(subject_.timeline(), before_, after_start_mark, subject_.to()),
          enumerator_(subject_.index(), [&] {
              StateOptions states = crash.states_;
              states.to = subject_.to();
              return states;
          }())
    {
    }

    /// False: interrupted.
    bool run()
    {
        while (const auto state = enumerator_.next()) {
            if (!look_at(*state)) {
                return false;
            }
        }
        return true;
    }

    SecondResult& result() { return result_; }
    /// What all checks have read.  Not all of it is what the first state holds there,
    /// but the same whatever was known before.
    std::vector<resilience::ByteRange> reads() const { return reads_.ranges(); }

private:
    bool look_at(const State& state)
    {
        const std::uint64_t number = result_.listed++;
        StateContent content = contents_.of(state);
        if (memo_.same_content(content, number)) {
            result_.same_content++;
            return true;
        }
        if (crash_.prune_by_reads_ && memo_.same_reads(content)) {
            result_.same_reads++;
            return true;
        }
        // As a change to what the first state holds, so that recoveries of different
        // states can be compared.
        ContentValue whole = first_.content.device;
        whole += all_contents_.value_over(content.map, *subject_.device(content.map));
        whole -= all_contents_.value_over(content.map, *before_);
        auto known = crash_.find(whole);
        if (!known) {
            known = check(state, content, whole);
            if (!known) {
                return false;
            }
        }
        result_.checked++;
        result_.contents.push_back(whole);
        for (const auto& range : *known->reads) {
            reads_.add(range);
        }
        if (known->verdict.ended.how != Ended::How::timed_out) {
            memo_.add(content, *known->reads, number);
        }
        if (known->verdict.kind == Verdict::Kind::skip) {
            result_.by_checker++;
        }
        if (known->verdict.is_bad()) {
            add_failure(state, known->verdict, whole);
        }
        return true;
    }

    std::optional<Known> check(const State& state, const StateContent& content,
                               const ContentValue& whole)
    {
        const Checked checked = bench_.check_again(
            {fmt::format("{} then {}", first_.name, to_string(subject_.index(), state)),
             first_.mark, subject_.device(content.map)});
        if (checked.verdict.kind == Verdict::Kind::interrupted) {
            return std::nullopt;
        }
        crash_.learn(whole, checked);
        return crash_.find(whole);
    }

    void add_failure(const State& state, const Verdict& verdict, const ContentValue& whole)
    {
        SecondFailure failure;
        failure.state = to_string(subject_.index(), state);
        failure.verdict = verdict;
        failure.content = whole;
        failure.dropped = state.dropped;
        failure.torn = torn_json(state);
        failure.missing = missing_json(subject_, state, most_missing);
        if (!crash_.options_.keep.empty()) {
            failure.command = subject_.serving_command(failure.state);
        }
        result_.failed.push_back(std::move(failure));
    }

    SecondCrash& crash_;
    Workbench& bench_;
    const Recovered& first_;
    const Contents& all_contents_;
    const std::shared_ptr<Device> before_;  ///< the first state
    const Subject subject_;                 ///< the recovery of it
    Contents contents_;
    Enumerator enumerator_;
    Memo memo_;
    IntervalSet reads_{before_->size()};
    SecondResult result_;
};

SecondCrash::SecondCrash(const Subject& subject, const StateOptions& states,
                         const CheckOptions& check, const SecondOptions& options,
                         bool prune_by_reads)
    : subject_(subject), states_(second_states(states, options)), options_(options),
      prune_by_reads_(prune_by_reads),
      asks_the_same_(check.second_check.empty() || check.second_check == check.check)
{
}

std::uint32_t SecondCrash::sector_size() const { return states_.sector_size; }

void SecondCrash::learn(const ContentValue& content, const Checked& checked)
{
    Verdict verdict = checked.verdict;
    if (!verdict.is_bad()) {
        verdict.ended.output.clear();
    }
    const std::lock_guard lock(mutex_);
    known_.emplace(content, Known{std::move(verdict), &*reads_.insert(checked.reads).first});
}

std::optional<SecondCrash::Known> SecondCrash::find(const ContentValue& content) const
{
    const std::lock_guard lock(mutex_);
    const auto known = known_.find(content);
    return known == known_.end() ? std::nullopt : std::optional(known->second);
}

std::optional<SecondResult> SecondCrash::explore(Workbench& bench, const Recovered& first,
                                                 const Contents& contents,
                                                 std::vector<resilience::ByteRange>& reads)
{
    Round round(*this, bench, first, contents);
    if (!round.run()) {
        return std::nullopt;
    }
    reads = joined(reads, round.reads(), subject_.size());
    SecondResult result = std::move(round.result());
    if (!result.failed.empty()) {
        keep(first, result);
    }
    return result;
}

std::string SecondCrash::kept_path(const Recovered& first) const
{
    return options_.keep.empty() ? first.log
                                 : fmt::format("{}/second-{}.log", options_.keep, first.number);
}

void SecondCrash::keep(const Recovered& first, SecondResult& result) const
{
    if (options_.keep.empty()) {
        return;
    }
    result.log = kept_path(first);
    std::error_code error;
    std::filesystem::copy_file(first.log, result.log,
                               std::filesystem::copy_options::overwrite_existing, error);
    if (error) {
        throw ToolError(fmt::format("{}: cannot be written: {}", result.log, error.message()));
    }
}

void SecondCrash::forget(const SecondResult& result)
{
    if (!result.log.empty()) {
        std::error_code ignored;
        std::filesystem::remove(result.log, ignored);
    }
}

}  // namespace resilience::nbdcrash
