// SPDX-License-Identifier: BSD-3-Clause
#include "filters/replication/secondary/merge.h"

#include <algorithm>
#include <cerrno>

#include "common/thread/thread_start.h"
#include "filters/replication/secondary/view.h"

namespace resilience::replication {

namespace {

constexpr std::uint64_t piece_bytes = 1 << 20;

/// The next byte that is in active or hidden; the size of the disk if none is.
std::uint64_t next_byte(const Core& core, std::uint64_t from)
{
    const auto next = [from](const Layer& layer) {
        return std::min(layer.begin_of(layer.next_present(from / layer.cluster_size())),
                        layer.size());
    };
    return std::min(next(*core.active), next(*core.hidden));
}

int merge_all(Core& core, const std::atomic<bool>& stopping)
{
    for (std::uint64_t at = 0; at < core.size() && !stopping;) {
        const std::uint64_t begin = std::max(at, next_byte(core, at) / piece_bytes * piece_bytes);
        const std::uint64_t end = std::min(core.size(), begin + piece_bytes);
        const auto guard = core.lock_range(begin, end, LockMode::exclusive);
        if (!guard) {
            return ETIMEDOUT;
        }
        if (begin < end) {
            if (const int error = merge_range(core, {begin, end})) {
                core.reporter.io_error("merging into the disk", begin, end - begin, error);
                return error;
            }
        }
        core.merged_until = end;
        at = end;
    }
    return stopping ? ECANCELED : 0;
}

int finish(Core& core)
{
    Request flush;
    flush.op = Op::flush;
    if (const int error = core.disk->execute(flush)) {  // most of it without the lock
        return error;
    }
    const auto guard = core.lock.acquire_all(core.deadline());
    if (!guard) {
        return ETIMEDOUT;
    }
    if (const int error = core.disk->execute(flush)) {
        return error;
    }
    LayerHeader header = core.header();
    header.state = State::done;
    header.syncing = false;
    header.nothing_saved = false;
    if (const int error = core.set_header(header, true)) {
        return error;
    }
    core.set_identity(note_merged(core.identity()));  // if it fails: at the next start
    core.state = State::done;
    core.sticky = 0;
    core.reporter.clear();
    return 0;
}

void fail(Core& core, int error)
{
    const auto guard = core.lock.acquire_all(core.deadline());
    LayerHeader header = core.header();
    header.state = State::failover_failed;
    core.set_header(header, false);  // if not even this works, it is merged again
    core.note_error(error);
    core.state = State::failover_failed;
}

}  // namespace

void Merge::run(const std::shared_ptr<Core>& core, const std::atomic<bool>& stopping)
{
    int error = merge_all(*core, stopping);
    if (error == 0) {
        error = finish(*core);
    }
    if (stopping) {
        return;
    }
    if (error != 0) {
        fail(*core, error);
    }
    core->reporter.state(core->state, core->identity().epoch);
}

void Merge::start()
{
    stop(core_->options.timeout);
    stopping_ = std::make_shared<std::atomic<bool>>(false);
    auto ended = std::make_shared<std::promise<void>>();
    ended_ = ended->get_future();
    thread_ = start_thread("repl-merge", [core = core_, stopping = stopping_, ended] {
        run(core, *stopping);
        ended->set_value();
    });
}

void Merge::stop(std::chrono::milliseconds limit)
{
    if (!thread_.joinable()) {
        return;
    }
    *stopping_ = true;
    if (ended_.wait_for(limit) == std::future_status::ready) {
        thread_.join();
    } else {
        thread_.detach();  // it holds all that it needs
    }
}

}  // namespace resilience::replication
