// SPDX-License-Identifier: BSD-3-Clause
#include "filters/replication/secondary/core.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "common/control/json.h"
#include "common/core/log.h"
#include "common/core/random_id.h"

namespace resilience::replication {

namespace {

bool has_map(const std::string& path)
{
    struct stat st = {};
    return stat((path + ".map").c_str(), &st) == 0;
}

constexpr std::string_view hidden_key = "replication-hidden";
constexpr std::string_view active_key = "replication-active";

}  // namespace

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
    log::warning("replication: {}: a primary is refused: {}", name_, why);
    events_.emit("REPLICATION_REFUSED", {{"name", name_}, {"reason", why}}, name_);
}

Core::Core(const Options& o, std::shared_ptr<Device> d, Layers layers, IdentityFile file,
           const Identity& i, EventBus& events)
    : options(o), disk(std::move(d)), hidden(std::move(layers.hidden)),
      active(std::move(layers.active)), lock(real_clock()), reporter(o.name, events),
      state(hidden->header().state), instance(random_id()),
      grain_(std::max(hidden->cluster_size(), active->cluster_size())),
      identity_file_(std::move(file)), identity_(i), consistent_(i.consistent)
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

int Core::set_header(LayerHeader next, bool empties)
{
    if (empties) {
        next.generation++;
    }
    if (const int error = hidden->write_header(next)) {
        reporter.io_error("writing the header of hidden", 0, mapfile::page_bytes, error);
        return error;
    }
    if (empties) {
        hidden->empty(next.generation);
        active->empty(next.generation);
        emptied++;
    }
    return 0;
}

Layers open_layers(const Options& options, std::uint64_t size, Identity& identity)
{
    const bool hidden_known = has_map(options.hidden);
    const bool active_known = has_map(options.active);
    if (hidden_known != active_known) {
        throw SetupError(fmt::format(
            "{}: its map '{}.map' is gone, and that of {}='{}' is there; they belong together.  "
            "Bring it back; or remove both files and both maps to begin without a checkpoint",
            hidden_known ? active_key : hidden_key,
            hidden_known ? options.active : options.hidden, hidden_known ? hidden_key : active_key,
            hidden_known ? options.hidden : options.active));
    }
    LayerHeader header;
    header.cluster_size = options.cluster_size;
    header.device_size = size;
    header.id = random_id();
    header.partner = random_id();
    LayerHeader partner = header;
    std::swap(partner.id, partner.partner);
    partner.kind = LayerKind::active;

    Layers layers;
    layers.active = Layer::open(std::string(active_key), options.active, partner);
    layers.hidden = Layer::open(std::string(hidden_key), options.hidden, header);
    const LayerHeader& found = layers.hidden->header();
    if (found.partner != layers.active->header().id ||
        layers.active->header().partner != found.id) {
        throw SetupError(fmt::format("{}='{}' and {}='{}' do not belong together: each was made "
                                     "for another partner",
                                     hidden_key, options.hidden, active_key, options.active));
    }
    if (identity.hidden != 0 && identity.hidden != found.id) {
        if (!layers.hidden->is_new()) {
            throw SetupError(fmt::format("{}='{}' belongs to another disk: the identity '{}' knows "
                                         "of another one",
                                         hidden_key, options.hidden, options.identity));
        }
        if (identity.consistent && identity.role != Role::promoted) {
            log::warning("replication: {}: the files of active and hidden are gone, and with them "
                       "the last checkpoint: there is nothing to fail over to until the primary "
                       "has made the next one",
                       options.name);
            identity.consistent = false;
        }
    }
    identity.hidden = found.id;
    layers.hidden->load(found.generation);
    layers.active->load(found.generation);
    return layers;
}

}  // namespace resilience::replication
