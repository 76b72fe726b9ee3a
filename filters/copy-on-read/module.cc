// SPDX-License-Identifier: BSD-3-Clause
#include "filters/copy-on-read/module.h"

#include <bit>
#include <filesystem>
#include <limits>
#include <stdexcept>

#include <fmt/format.h>

#include "common/child/uri.h"
#include "common/core/log.h"
#include "common/core/parameter.h"
#include "filters/copy-on-read/fingerprint.h"

namespace resilience::cor {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds shortest_timeout{10};
constexpr milliseconds longest_timeout{3600 * 1000};
constexpr milliseconds stop_limit{3000};

std::uint32_t parse_cluster_size(std::string_view key, const std::string& value)
{
    const std::uint64_t size = parse_size(key, value);
    if (!std::has_single_bit(size) || size < mapfile::smallest_cluster ||
        size > mapfile::largest_cluster) {
        throw SetupError(fmt::format("{}={}: expects a power of two from {} to {} bytes", key,
                                     value, mapfile::smallest_cluster, mapfile::largest_cluster));
    }
    return static_cast<std::uint32_t>(size);
}

/// What stands in the map for the source.  Not storage_identity(): the numbers
/// of devices and inodes do not outlive a restart of the machine, and a copy
/// does.
std::string source_text(const ChildSpec& spec)
{
    if (spec.kind == SpecKind::path) {
        return std::filesystem::path(spec.target).lexically_normal();
    }
    const auto uri = spec.kind == SpecKind::uri ? parse_uri(spec.target) : std::nullopt;
    return uri ? to_string(*uri) : spec.text;
}

}  // namespace

const char* const CorModule::config_help =
    "cor-file=<PATH>                (required) The copy; its map is PATH.map.\n"
    "cor-source=<SPEC>              Plugin form: a path, an NBD URI or [ COMMAND ].\n"
    "cor-cluster-size=<SIZE>        What is fetched and kept as a whole (default 64K).\n"
    "cor-timeout=<T>                How long the source may take (default 10s).\n"
    "cor-on-cache=<BOOL>            NBD_CMD_CACHE prefetches (default true).\n"
    "cor-read-only-copy=<BOOL>      Keep what read-only clients read (default true).\n"
    "cor-stream=<BOOL>              Fetch the rest in the background (default false).\n"
    "cor-stream-rate=<SIZE>         Bytes per second (default 0: no limit).\n"
    "cor-trace=<PATH>               Record the order of use, and prefetch in it.\n"
    "cor-max-depth=<N>              Copy only the top N layers of the source.\n"
    "cor-control=<SOCKET>           Where nbdctl(1) connects to.";

bool CorModule::config(std::string_view key, const std::string& value)
try {
    if (directory_.empty()) {
        directory_ = std::filesystem::current_path();
    }
    if (key == "cor-file") {
        options_.file = parse_path(key, value, directory_);
    } else if (key == "cor-source" && form_ == Form::plugin) {
        if (source_) {
            throw SetupError(fmt::format("cor-source={}: the source has been given already, as "
                                         "'{}'; there can be one",
                                         value, source_->text));
        }
        source_ = parse_child_parameter({key, value, directory_, {}});
    } else if (key == "cor-cluster-size") {
        options_.cluster_size = parse_cluster_size(key, value);
    } else if (key == "cor-timeout") {
        options_.timeout = parse_duration(key, value, shortest_timeout, longest_timeout);
    } else if (key == "cor-on-cache") {
        options_.on_cache = parse_bool(key, value);
    } else if (key == "cor-read-only-copy") {
        options_.read_only_copy = parse_bool(key, value);
    } else if (key == "cor-control") {
        control_path_ = parse_path(key, value, directory_);
    } else {
        return config_stream(key, value);
    }
    return true;
} catch (const std::invalid_argument& error) {
    throw SetupError(error.what());
}

bool CorModule::config_stream(std::string_view key, const std::string& value)
{
    if (key == "cor-stream") {
        options_.stream = parse_bool(key, value);
    } else if (key == "cor-stream-rate") {
        options_.stream_rate = parse_size(key, value);
    } else if (key == "cor-trace") {
        options_.trace = parse_path(key, value, directory_);
    } else if (key == "cor-max-depth") {
        options_.max_depth = static_cast<std::uint32_t>(
            parse_integer(key, value, 1, std::numeric_limits<std::uint32_t>::max()));
    } else {
        return false;
    }
    return true;
}

void CorModule::observe(std::string_view key, const std::string& value)
{
    // What nbdkit's file and nbd plugins are told to open.  With others there
    // is only the size and the content to know the source by.
    if (key == "file") {
        below_.push_back((std::filesystem::current_path() / value).lexically_normal());
    } else if (key == "uri" || key == "socket" || key == "export" || key == "hostname" ||
               key == "port") {
        below_.push_back(fmt::format("{}={}", key, value));
    }
}

void CorModule::config_complete()
{
    if (options_.file.empty()) {
        throw SetupError("cor-file= is missing: give the path of the file that keeps the copy");
    }
    if (form_ == Form::plugin) {
        if (!source_) {
            throw SetupError("the source is missing: nbdkit copy-on-read SOURCE cor-file=PATH, "
                             "where SOURCE is a path, an NBD URI or [ COMMAND ]");
        }
        if (options_.max_depth != 0 && source_->kind == SpecKind::path) {
            throw SetupError(fmt::format("cor-max-depth: a file has no layers that could be asked "
                                         "for; serve it with qemu-nbd -A: '[ qemu-nbd -A -f "
                                         "qcow2 {} ]'",
                                         source_->target));
        }
        options_.source = source_text(*source_);
        if (options_.source == options_.file) {
            throw SetupError(fmt::format("cor-file={}: this is the source", options_.file));
        }
        return;
    }
    if (options_.max_depth != 0) {
        throw SetupError("cor-max-depth: the filter cannot ask the plugin below for the layers of "
                         "an image; use nbdkit copy-on-read NBD-URI cor-file=PATH");
    }
    for (const std::string& text : below_) {
        if (text == options_.file) {
            throw SetupError(fmt::format("cor-file={}: this is the source", options_.file));
        }
        options_.source += (options_.source.empty() ? "" : " ") + text;
    }
}

OpenOptions CorModule::source_options() const
{
    OpenOptions options;
    options.writable = false;
    options.timeout = options_.timeout;
    options.allocation_depth = options_.max_depth != 0;
    return options;
}

std::shared_ptr<Device> CorModule::open_source() const
{
    return open_child(*source_, source_options());
}

/// Null if the source is not there, and need not be.
std::shared_ptr<Device> CorModule::try_source(bool can_do_without) const
{
    try {
        return open_source();
    } catch (const SetupError& error) {
        if (!can_do_without) {
            throw SetupError(fmt::format("cor-source: {}", error.what()));
        }
        log::warning("copy-on-read: the source is not there: {}.  What is local is served, the rest "
                   "is an error until it comes",
                   error.what());
        return nullptr;
    }
}

void CorModule::check_stream() const
{
    if (background()) {
        return;
    }
    const auto refuse = [](const char* key) {
        throw SetupError(fmt::format("{}: something below the filter does not serve requests in "
                                     "parallel, so nothing can be fetched in the background; {}",
                                     key, alternative));
    };
    if (options_.stream) {
        refuse("cor-stream=true");
    }
    if (!options_.trace.empty()) {
        refuse("cor-trace");
    }
}

/// Looks at the source's content while the user still reads what we say.
void CorModule::check_content(const std::optional<std::uint64_t>& expected) const
{
    if (!expected) {
        return;
    }
    const std::shared_ptr<Device> probe = open_source();
    probe->start();
    int error = 0;
    const auto taken =
        take_fingerprint(*probe, real_clock().now() + options_.timeout, error);
    probe->stop(stop_limit);
    if (taken && *taken != *expected) {
        throw SetupError(fmt::format(
            "cor-file='{}': the content of the source '{}' is not what was copied (samples of it "
            "have the checksum {:016x}, they had {:016x}); give each source a cor-file of its "
            "own, or remove the file and its map to start again without what was written",
            options_.file, source_->text, *taken, *expected));
    }
}

Source::Setup CorModule::source_setup(std::shared_ptr<Device> device, const LocalCopy& copy)
{
    Source::Setup setup;
    setup.device = std::move(device);
    setup.size = copy.size();
    setup.name = form_ == Form::plugin     ? source_->text
                 : options_.source.empty() ? "the plugin below"
                                           : options_.source;
    setup.fingerprint = copy.header().fingerprint;
    setup.timeout = options_.timeout;
    setup.background = background();
    if (form_ == Form::plugin) {
        setup.open = [this] { return open_source(); };
    }
    setup.keep = [this](std::uint64_t fingerprint) {
        engine_->local->set_fingerprint(fingerprint);
    };
    return setup;
}

void CorModule::get_ready(std::shared_ptr<Device> next)
{
    check_stream();
    std::shared_ptr<Device> device = std::move(next);
    std::unique_ptr<LocalCopy> copy;
    if (form_ == Form::plugin && LocalCopy::exists(options_)) {
        copy = std::make_unique<LocalCopy>(options_, std::nullopt);
        if (!copy->header().complete) {
            device = try_source(true);
        }
        if (device && device->size() != copy->size()) {
            throw SetupError(fmt::format(
                "cor-file='{}' is a copy of {} bytes, the source '{}' has {} bytes; give each "
                "source a cor-file of its own, or remove the file and its map to start again "
                "without what was written",
                options_.file, copy->size(), source_->text, device->size()));
        }
        if (device) {
            check_content(copy->header().fingerprint);
        }
    } else {
        if (form_ == Form::plugin) {
            device = try_source(false);
        }
        copy = std::make_unique<LocalCopy>(options_, device->size());
    }
    const mapfile::Header header = copy->header();
    Source::Setup setup = source_setup(std::move(device), *copy);
    engine_ = std::make_shared<Engine>(options_, std::move(copy), std::move(setup), events_);
    if (!options_.trace.empty()) {
        engine_->trace =
            std::make_unique<Trace>(options_.trace, header.device_size, header.cluster_size);
    }
    device_ = std::make_shared<CorDevice>(engine_);
    passing_ = std::make_shared<PassingDevice>(device_);
    keeper_ = std::make_unique<Keeper>(*engine_);
    stream_ = std::make_unique<Stream>(*engine_);
    const std::string no_stream =
        background() ? ""
                     : "something below the filter does not serve requests in parallel, so "
                       "nothing can be fetched in the background";
    control_ = std::make_unique<Control>(*engine_, *stream_, no_stream);
    control_->add_commands(commands_);
    if (!control_path_.empty()) {
        server_ = std::make_unique<ControlServer>(control_path_, commands_, events_);
    }
}

void CorModule::after_fork()
{
    device_->start();
    if (!engine_->local->header().complete) {
        engine_->source.start();
        if (background()) {
            // So that a wrong source is noticed before a client is.
            engine_->source.ready(engine_->source_deadline());
        }
    } else {
        engine_->source.close();
    }
    keeper_->start();
    if (background()) {
        stream_->start();
    }
    if (server_) {
        server_->start();
    }
}

std::shared_ptr<Device> CorModule::open(const Client& client)
{
    if (const std::string why = engine_->source.refusal(); !why.empty()) {
        throw SetupError(why);
    }
    if (client.read_only && !options_.read_only_copy) {
        return passing_;
    }
    return device_;
}

void CorModule::cleanup()
{
    if (server_) {
        server_->stop(stop_limit);
    }
    if (engine_) {
        engine_->source.stop(stop_limit);  // ends what others wait for
    }
    if (stream_) {
        stream_->stop();
    }
    if (keeper_) {
        keeper_->stop();
    }
    if (device_) {
        device_->stop(stop_limit);
    }
}

}  // namespace resilience::cor
