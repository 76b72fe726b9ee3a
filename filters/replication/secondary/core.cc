// SPDX-License-Identifier: BSD-3-Clause
#include "filters/replication/secondary/core.h"

#include <algorithm>
#include <cstring>

#include "common/control/json.h"
#include "common/core/log.h"
#include "common/core/random_id.h"

namespace resilience::replication {

void Reporter::state(State now, std::uint64_t epoch)
{
    log::notice("replication: {}: state {}, epoch {}", name_, to_string(now), epoch);
    events_.emit("REPLICATION_STATE", {{"name", name_},
                                       {"state", std::string(to_string(now))},
                                       {"epoch", epoch}});
}

void Reporter::io_error(const char* what, std::uint64_t offset, std::uint64_t length, int error)
{
    if (failing_.exchange(true)) {
        return;
    }
    log::error("replication: {}: {} failed at {} ({} bytes): {}", name_, what, offset, length,
               std::strerror(error));
    events_.emit("REPLICATION_ERROR", {{"name", name_},
                                       {"operation", what},
                                       {"offset", offset},
                                       {"length", length},
                                       {"error", std::strerror(error)}});
}

void Reporter::checkpoint(std::uint64_t number)
{
    events_.emit("REPLICATION_CHECKPOINT", {{"name", name_}, {"checkpoint", number}}, name_);
}

void Reporter::session(const std::string& text)
{
    log::notice("replication: {}: {}", name_, text);
}

void Reporter::refused(const std::string& why)
{
    LogBudget::Verdict verdict;
    {
        const std::lock_guard lock(mutex_);
        verdict = refusals_.happened("refused", why, std::chrono::steady_clock::now());
    }
    if (verdict.write) {  // it tries again and again
        log::warning("replication: {}: a primary is refused: {}{}", name_, why, verdict.note());
    }
    events_.emit("REPLICATION_REFUSED", {{"name", name_}, {"reason", why}}, name_);
}

Core::Core(const Options& o, std::shared_ptr<Device> d, Layers layers, IdentityFile file,
           const Identity& i, EventBus& events)
    : options(o), disk(std::move(d)), hidden(std::move(layers.hidden)),
      active(std::move(layers.active)), lock(real_clock()), reporter(o.name, events),
      state(layers.header.state), instance(random_id()),
      grain_(std::max(hidden->cluster_size(), active->cluster_size())),
      identity_file_(std::move(file)), identity_(i), consistent_(i.consistent),
      header_(layers.header)
{
}

RangeLock::Guard Core::lock_range(std::uint64_t begin, std::uint64_t end, LockMode mode)
{
    return lock.acquire(begin / grain_ * grain_, (end + grain_ - 1) / grain_ * grain_, mode,
                        deadline());
}

Identity Core::identity() const
{
    const std::lock_guard guard(identity_mutex_);
    return identity_;
}

int Core::sync_disk()
{
    unsynced = 0;
    const int error = disk_syncs_.run([this] {
        Request flush;
        flush.op = Op::flush;
        return disk->execute(flush);
    });
    if (error != 0) {
        note_error(error);
        reporter.io_error("making the disk durable", 0, size(), error);
    }
    return error;
}

int Core::set_identity(const Identity& next)
{
    const std::lock_guard guard(identity_mutex_);
    if (next == identity_) {
        return 0;
    }
    if (const int error = identity_file_.store(next)) {
        reporter.io_error("storing the identity", 0, identity_bytes, error);
        return error;
    }
    identity_ = next;
    consistent_ = next.consistent;
    return 0;
}

int Core::set_header(const LayerHeader& next, bool empties)
{
    const std::uint64_t generation = hidden->header().generation + (empties ? 1 : 0);
    if (const int error = hidden->write_header(generation, encode_layer_header(next))) {
        reporter.io_error("writing the header of hidden", 0, mapfile::page_bytes, error);
        return error;
    }
    const std::lock_guard guard(identity_mutex_);
    header_ = next;
    if (empties) {
        hidden->empty(generation);
        active->empty(generation);
        emptied++;
    }
    return 0;
}

LayerHeader Core::header() const
{
    const std::lock_guard guard(identity_mutex_);
    return header_;
}

}  // namespace resilience::replication
