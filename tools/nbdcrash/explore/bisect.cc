// SPDX-License-Identifier: BSD-3-Clause

// bisect: the first bad point, if from some point on all are bad.
//
// First among flushes, which are the points that users care about, then among
// the entries between the last good and the first bad one.  Points that a
// checker cannot tell (125) are left out.

#include <memory>
#include <optional>

#include <fmt/format.h>

#include "common/control/json.h"
#include "common/replay/point.h"
#include "tools/nbdcrash/commands.h"
#include "tools/nbdcrash/explore/journal.h"
#include "tools/nbdcrash/explore/judge.h"
#include "tools/nbdcrash/explore/missing.h"
#include "tools/nbdcrash/output.h"

namespace resilience::nbdcrash {

namespace {

using namespace writelog;

/// Good at entry `good`, bad at entry `bad`.
struct Bounds {
    std::uint64_t good = 0;
    std::uint64_t bad = 0;
};

std::string name_of(const Subject& subject, std::uint64_t entries)
{
    return to_string(subject.index(), {entries, {}, {}});
}

/// The point of `points` (ascending, between the bounds) next to the middle of
/// which the checker can tell whether it is bad.
std::optional<std::pair<std::uint64_t, bool>> tell(Judge& judge,
                                                   const std::vector<std::uint64_t>& points)
{
    const std::size_t middle = points.size() / 2;
    for (std::size_t i = 0; i < points.size(); i++) {
        // middle, one before, one after, two before ...
        const std::size_t distance = (i + 1) / 2;
        const bool before = i % 2 == 1;
        if (before ? distance > middle : middle + distance >= points.size()) {
            continue;
        }
        const std::uint64_t point = points[before ? middle - distance : middle + distance];
        const Verdict& verdict = judge.check({point, {}, {}});
        if (verdict.kind != Verdict::Kind::skip) {
            return std::pair(point, verdict.is_bad());
        }
    }
    return std::nullopt;
}

void narrow(Judge& judge, std::vector<std::uint64_t> points, Bounds& bounds)
{
    for (;;) {
        std::erase_if(points, [&](std::uint64_t point) {
            return point <= bounds.good || point >= bounds.bad;
        });
        const auto told = tell(judge, points);
        if (!told) {
            return;
        }
        (told->second ? bounds.bad : bounds.good) = told->first;
    }
}

std::vector<std::uint64_t> flush_points(const Subject& subject)
{
    std::vector<std::uint64_t> points;
    for (const std::uint64_t flush : subject.index().flushes()) {
        points.push_back(flush + 1);
    }
    return points;
}

std::vector<std::uint64_t> change_points(const Subject& subject, const Bounds& bounds)
{
    std::vector<std::uint64_t> points;
    for (std::uint64_t entry = bounds.good; entry < bounds.bad; entry++) {
        if (subject.index()[entry].changes()) {
            points.push_back(entry + 1);
        }
    }
    return points;
}

Json entry_json(const Subject& subject, std::uint64_t entries)
{
    // The change that made it bad, as if it alone were missing.
    std::uint64_t entry = entries - 1;
    while (entry > 0 && !subject.index()[entry].changes()) {
        entry--;
    }
    return missing_json(subject, {entry + 1, {entry}, {}}, 1).front();
}

Exit report_bounds(const Subject& subject, const SubjectOptions& options, const Bounds& bounds,
                   Judge& judge)
{
    const std::string bad = name_of(subject, bounds.bad);
    const Verdict verdict = judge.check({bounds.bad, {}, {}});
    const Json json = {{"log", options.log.log},
                       {"first-bad", bad},
                       {"first-bad-entries", bounds.bad},
                       {"last-good", name_of(subject, bounds.good)},
                       {"last-good-entries", bounds.good},
                       {"change", entry_json(subject, bounds.bad)},
                       {"failure", failure_json(verdict)},
                       {"checks", judge.checks()},
                       {"command", subject.serving_command(bad)}};
    if (options.log.json) {
        print(json, true);
        return Exit::found;
    }
    print(fmt::format("{}: the first bad point; {} is good.  What changed is\n\n{}\n"
                      "The checker said ({} checks):\n{}\nThis serves the state:\n\n  {}\n",
                      bad, json["last-good"].get<std::string>(), missing_text(json["change"]),
                      judge.checks(), printed(verdict.ended),
                      json["command"].get<std::string>()));
    return Exit::found;
}

Exit bisect(const SubjectOptions& options)
{
    require_check(options.check);
    const Subject subject(options);
    become_subreaper();
    Stop stop;
    Exit status = Exit::ok;
    run_interruptible(stop, [&] {
        Judge judge(subject, options.check, stop, subject.from());
        Bounds bounds{subject.from(), subject.to()};
        if (!judge.is_bad({bounds.bad, {}, {}})) {
            const std::string end = name_of(subject, bounds.bad);
            options.log.json ? print({{"log", options.log.log}, {"first-bad", nullptr}}, true)
                             : print(fmt::format("{}: is not bad, so there is no first bad "
                                                 "point before it\n", end));
            return;
        }
        if (const Verdict& first = judge.check({bounds.good, {}, {}});
            first.kind != Verdict::Kind::good) {
            throw ToolError(fmt::format("{}: is not good itself; --from has to name a point that "
                                        "is (after mkfs, say)",
                                        name_of(subject, bounds.good)));
        }
        narrow(judge, flush_points(subject), bounds);
        narrow(judge, change_points(subject, bounds), bounds);
        status = report_bounds(subject, options, bounds, judge);
    });
    return status;
}

}  // namespace

void add_bisect(CLI::App& app, Run& run)
{
    const auto options = std::make_shared<SubjectOptions>();
    CLI::App* command = app.add_subcommand(
        "bisect", "The first bad point, if from some point on all are bad");
    add_subject_options(*command, *options, true);
    command->add_flag("--json", options->log.json, "Print one JSON document");
    add_check_options(*command, options->check);
    command->callback([options, &run] { run = [options] { return bisect(*options); }; });
}

}  // namespace resilience::nbdcrash
