// SPDX-License-Identifier: BSD-3-Clause

// The secondary, put together; core.h says how it works.

#include <cstring>
#include <memory>

#include <fmt/format.h>

#include "common/control/json.h"
#include "common/core/log.h"
#include "common/device/blocking_device.h"
#include "common/thread/clock.h"
#include "filters/replication/pair/side.h"
#include "filters/replication/secondary/actions.h"
#include "filters/replication/secondary/background.h"
#include "filters/replication/secondary/control_export.h"
#include "filters/replication/secondary/serve.h"

namespace resilience::replication {

namespace {

constexpr std::chrono::milliseconds stop_limit{3000};

/// The export `primary` as one connection sees it.
class PrimaryExport final : public BlockingDevice {
public:
    PrimaryExport(std::shared_ptr<Core> core, std::uint32_t connection)
        : BlockingDevice("repl-primary"), core_(std::move(core)), connection_(connection)
    {
    }
    std::string describe() const override { return "primary"; }
    std::uint64_t size() const override { return core_->size(); }
    Capabilities capabilities() const override
    {
        Capabilities result = core_->disk->capabilities();
        result.zero = true;
        result.trim = true;
        result.fast_zero = false;
        result.cache = false;
        result.multi_conn = true;
        result.forgets_unflushed = false;
        return result;
    }
    BlockLimits block_limits() const override { return core_->disk->block_limits(); }
    int execute(Request& request) override { return serve_primary(*core_, request, connection_); }

private:
    const std::shared_ptr<Core> core_;
    const std::uint32_t connection_;
};

/// The default export.
class ViewExport final : public BlockingDevice {
public:
    explicit ViewExport(std::shared_ptr<Core> core)
        : BlockingDevice("repl-view"), core_(std::move(core))
    {
    }
    std::string describe() const override { return "secondary"; }
    std::uint64_t size() const override { return core_->size(); }
    Capabilities capabilities() const override
    {
        return {.writable = true,
                .flush = true,
                .fua = true,
                .zero = true,
                .trim = true,
                .extents = true,
                .multi_conn = true};
    }
    BlockLimits block_limits() const override
    {
        BlockLimits limits = core_->disk->block_limits();
        limits.minimum = 1;
        return limits;
    }
    int execute(Request& request) override { return serve_view(*core_, request); }

private:
    const std::shared_ptr<Core> core_;
};

std::uint64_t age_ms(std::uint64_t time)
{
    const std::uint64_t now = wall_clock_ns();
    return time == 0 || now < time ? 0 : (now - time) / 1000000;
}

class SecondarySide final : public Side {
public:
    SecondarySide(const Options& options, EventBus& events) : options_(options), events_(events) {}

    void get_ready(std::shared_ptr<Device> next, bool background) override;
    void after_fork() override;
    std::shared_ptr<Device> open(const Client& client) override;
    std::vector<Export> exports() const override;
    void cleanup() override;

    State state() const override { return core_->state; }
    std::optional<std::string> get_error() const override
    {
        return replication_error(core_->state, core_->sticky != 0);
    }
    std::unique_ptr<Prepared> prepare(const Asked& asked) override
    {
        return actions_->prepare(asked);
    }
    Json query() const override;
    std::uint64_t moment() const override { return core_->header().moment; }

private:
    void resume();

    const Options options_;
    EventBus& events_;
    std::shared_ptr<Core> core_;
    std::shared_ptr<Device> view_;
    std::unique_ptr<Background> background_;
    std::unique_ptr<Actions> actions_;
};

void SecondarySide::get_ready(std::shared_ptr<Device> next, bool background)
{
    if (!background) {
        throw SetupError("replication: something below the filter does not serve requests in "
                         "parallel, so nothing can be merged in the background; use a plugin "
                         "that does, such as file or nbd");
    }
    if (!next->capabilities().writable) {
        throw SetupError("replication: the disk of a secondary must be writable, and the plugin "
                         "below is read-only");
    }
    const IdentityFile file(options_.identity);
    const Identity stored = file.load();
    const Beginning beginning = begin_secondary(stored, next->size());
    if (!beginning.error.empty()) {
        throw SetupError(fmt::format("replication-identity='{}': {}", options_.identity,
                                     beginning.error));
    }
    Identity identity = beginning.next;
    identity.device_size = next->size();
    Layers layers = open_layers(options_, next->size(), identity);
    if (!(identity == stored)) {
        if (const int error = file.store(identity)) {
            throw SetupError(fmt::format("replication-identity='{}' cannot be written: {}",
                                         options_.identity, std::strerror(error)));
        }
    }
    core_ = std::make_shared<Core>(options_, std::move(next), std::move(layers), file, identity,
                                   events_);
    if (!options_.bitmap.empty()) {
        core_->changes = ChangeMap::open(options_.bitmap, core_->size(), difference_granularity,
                                         machine_boot_id());
    }
    view_ = std::make_shared<ViewExport>(core_);
    background_ = std::make_unique<Background>(core_);
    actions_ = std::make_unique<Actions>(core_, *background_);
}

/// Goes on where the last run of the server ended, which may have been anywhere.
void SecondarySide::resume()
{
    const Identity identity = core_->identity();
    State state = core_->header().state;
    const auto change_to = [&](State next, bool empties) {
        LayerHeader header = core_->header();
        header.state = next;
        if (const int error = core_->set_header(header, empties)) {
            throw SetupError(fmt::format("replication-hidden: '{}' cannot be written: {}",
                                         core_->hidden->map_path(), std::strerror(error)));
        }
        state = next;
    };
    const bool promoted = identity.role == Role::promoted;
    if (promoted && (state == State::running || state == State::failover_failed)) {
        // The promotion was stored, the rest was not; or the merge is to be tried
        // again, since whatever was wrong may have been put right.
        change_to(State::failover, false);
    }
    if (identity.merging && state == State::done) {
        core_->set_identity(note_merged(identity));  // the last thing that was not done
    }
    // It was the primary in the meantime: what was running then is over.
    if (identity.role == Role::primary && state != State::none) {
        change_to(State::none, true);
    }
    core_->state = state;
}

void SecondarySide::after_fork()
{
    core_->disk->start();
    view_->start();
    resume();
    background_->start();
    if (core_->state == State::failover) {
        background_->begin_merge();
    }
}

std::shared_ptr<Device> SecondarySide::open(const Client& client)
{
    if (client.export_name.empty()) {
        return view_;
    }
    if (client.export_name == wire::control_export) {
        return std::make_shared<ControlExport>(core_, *actions_);
    }
    if (client.export_name == wire::data_export) {
        // The highest number, whoever comes first here.
        std::uint32_t newest = core_->newest_connection;
        while (newest < client.connection &&
               !core_->newest_connection.compare_exchange_weak(newest, client.connection)) {
        }
        return std::make_shared<PrimaryExport>(core_, client.connection);
    }
    throw SetupError(fmt::format("there is no export '{}': there are 'primary', 'control' and the "
                                 "default export",
                                 client.export_name));
}

std::vector<Export> SecondarySide::exports() const
{
    return {{"", "what the secondary sees"},
            {std::string(wire::data_export), "takes the primary's writes"},
            {std::string(wire::control_export), "takes the primary's commands"}};
}

void SecondarySide::cleanup()
{
    if (!core_) {
        return;
    }
    background_->stop(stop_limit);
    view_->stop(stop_limit);
    // A server that ends in good order has lost nothing that was acknowledged.
    if (core_->state == State::running && core_->active->commit() != 0) {
        log::error("replication: {}: what the secondary wrote itself cannot be made durable",
                   options_.name);
    }
    core_->disk->stop(stop_limit);
    if (core_->changes) {
        core_->changes->close();
    }
}

Json SecondarySide::query() const
{
    const Identity identity = core_->identity();
    const LayerHeader header = core_->header();
    const SecondaryCounters& c = core_->counters;
    Json answer{
        {"role", std::string(to_string(identity.role))},
        {"pair", to_string(identity.pair)},
        {"epoch", identity.epoch},
        {"size", core_->size()},
        {"checkpoint", header.checkpoint},
        {"checkpoint-age-ms", age_ms(header.checkpoint_time)},
        {"consistent", identity.consistent},
        {"hidden-bytes", core_->hidden->bytes()},
        {"active-bytes", core_->active->bytes()},
        {"cluster-size", core_->hidden->cluster_size()},
        {"syncing", header.syncing},
        {"lag-bytes", header.syncing ? core_->sync_total - core_->sync_done : 0},
        {"session", core_->fence.session()},
        {"counters",
         {{"saved-bytes", c.saved_bytes.load()},
          {"saves", c.saves.load()},
          {"save-syncs", core_->hidden->commits()},
          {"written-bytes", c.written_bytes.load()},
          {"save-errors", c.save_errors.load()},
          {"write-errors", c.write_errors.load()},
          {"refused-requests", c.refused.load()},
          {"checkpoints", c.checkpoints.load()},
          {"last-pause-us", c.last_pause_us.load()}}},
    };
    if (core_->state == State::failover) {
        answer["merged-bytes"] = core_->merged_until.load();
    }
    if (core_->changes) {
        answer["differing-bytes"] = core_->changes->bits().marked_bytes();
    }
    return answer;
}

}  // namespace

std::unique_ptr<Side> make_secondary(const Options& options, EventBus& events)
{
    return std::make_unique<SecondarySide>(options, events);
}

}  // namespace resilience::replication
