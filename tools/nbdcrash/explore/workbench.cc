// SPDX-License-Identifier: BSD-3-Clause
#include "tools/nbdcrash/explore/workbench.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "common/replay/point.h"
#include "tools/nbdcrash/explore/recovery_log.h"
#include "tools/nbdcrash/explore/served_state.h"
#include "tools/nbdcrash/output.h"
#include "tools/nbdcrash/tool_error.h"

namespace resilience::nbdcrash {

using namespace writelog;

namespace {

constexpr int skip_status = 125;  // as git bisect's

bool wants_uri(const CheckOptions& options)
{
    const auto wants = [](const std::string& command) {
        return command.find("{uri}") != std::string::npos;
    };
    return wants(options.check) || wants(options.second_check) || wants(options.oracle);
}

Verdict judge(Ended ended)
{
    Verdict verdict;
    switch (ended.how) {
    case Ended::How::exited:
        verdict.kind = ended.status == 0             ? Verdict::Kind::good
                       : ended.status == skip_status ? Verdict::Kind::skip
                                                     : Verdict::Kind::bad;
        break;
    case Ended::How::killed:
    case Ended::How::timed_out: verdict.kind = Verdict::Kind::bad; break;
    case Ended::How::interrupted: verdict.kind = Verdict::Kind::interrupted; break;
    }
    verdict.ended = std::move(ended);
    return verdict;
}

/// This thread, and all that it starts.  A checker reads some hundred times, and
/// each time it waits for the server of its file, which waits for it: on two
/// cores that costs two wake-ups of an idle core, many times the read itself.
void stay_on_one_cpu(unsigned number, unsigned workers)
{
    cpu_set_t allowed;
    if (::sched_getaffinity(0, sizeof allowed, &allowed) == -1) {
        return;
    }
    std::vector<int> cpus;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &allowed)) {
            cpus.push_back(cpu);
        }
    }
    if (workers > cpus.size()) {
        return;
    }
    // Others may do the same, so not always the first one.
    const auto process = static_cast<unsigned>(::getpid());
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpus[(process + number) % cpus.size()], &one);
    ::sched_setaffinity(0, sizeof one, &one);
}

}  // namespace

const char* kind_of(const Verdict& verdict)
{
    switch (verdict.ended.how) {
    case Ended::How::exited: return "exit";
    case Ended::How::killed: return "signal";
    case Ended::How::timed_out: return "timeout";
    case Ended::How::interrupted: break;
    }
    return "interrupted";
}

std::string last_mark(const LogIndex& index, const State& state, Promise promise)
{
    const std::uint64_t end = promise == Promise::durable ? first_missing(state) : state.entries;
    const auto& marks = index.marks();
    auto mark = std::ranges::lower_bound(marks, end, {}, &Mark::entry);
    while (mark != marks.begin()) {
        --mark;
        // The recorder's own marks promise nothing.
        if (!mark->name.starts_with("logwrites-") && !mark->name.starts_with("dm-log-writes-")) {
            return mark->name;
        }
    }
    return {};
}

Workbench::Workbench(unsigned number, unsigned workers, std::uint64_t device_size,
                     const CheckOptions& options, const Stop& stop)
    : options_(options), space_(std::to_string(number)),
      checker_(fmt::format("{}.{}", ::getpid(), number), stop)
{
    stay_on_one_cpu(number, workers);
    file_.emplace(space_.mount_folder(), device_size, space_.is_private());
    if (wants_uri(options)) {
        server_.emplace(file_->path(), space_.folder());
    }
    space_.keep_mounts();
}

Workbench::~Workbench() = default;

Checked Workbench::check(const StateToCheck& state)
{
    return carry_out(state, options_.check, 0);
}

Checked Workbench::check_and_record(const StateToCheck& state, std::uint32_t sector_size)
{
    return carry_out(state, options_.check, sector_size);
}

Checked Workbench::check_again(const StateToCheck& state)
{
    return carry_out(state, options_.second_check.empty() ? options_.check : options_.second_check,
                     0);
}

/// `sector_size` 0: nothing is recorded.
Checked Workbench::carry_out(const StateToCheck& state, const std::string& check,
                             std::uint32_t sector_size)
{
    const ServedState served = serve_state(state.content);
    Checked checked;
    std::shared_ptr<RecoveryLog> log;
    if (sector_size != 0) {
        checked.recovery = space_.folder() + "/recovery.log";
        log = std::make_shared<RecoveryLog>(served.device, checked.recovery, sector_size);
    }
    file_->show(log ? log : served.device);
    if (!check.empty()) {
        checked.verdict = run(check, state);
    }
    if (log && !log->end()) {
        checked.recovery.clear();
    }
    if (!options_.oracle.empty() && checked.verdict.kind == Verdict::Kind::good) {
        checked.verdict = run(options_.oracle, state);
        checked.verdict.by_oracle = true;
    }
    // Loop devices and mounts of the checker's may still write.
    space_.clean();
    file_->show(nullptr);
    checked.reads = served.tracker->reads();
    if (const int error = served.tracker->error(); error != 0) {
        throw ToolError(fmt::format("{}: the log or its base cannot be read: {}", state.name,
                                    std::strerror(error)));
    }
    return checked;
}

Verdict Workbench::run(const std::string& command, const StateToCheck& state)
{
    const Placeholders values = {{"dev", file_->path()},
                                 {"uri", server_ ? server_->uri() : ""},
                                 {"state", state.name},
                                 {"mark", state.mark}};
    return judge(checker_.run(command, values, options_.timeout));
}

}  // namespace resilience::nbdcrash
