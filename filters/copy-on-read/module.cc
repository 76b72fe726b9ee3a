// SPDX-License-Identifier: BSD-3-Clause
#include "filters/copy-on-read/module.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <limits>

#include <fmt/format.h>

#include "common/child/uri.h"
#include "common/core/log.h"

namespace resilience::cor {

namespace {

constexpr std::chrono::milliseconds stop_limit{3000};

std::uint32_t parse_depth(std::string_view key, std::string_view value)
{
    return static_cast<std::uint32_t>(
        parse_integer(key, value, 1, std::numeric_limits<std::uint32_t>::max()));
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

CorModule::CorModule(Form form) : Module(form, name, "cor-")
{
    add({{"cor-file", takes::path(options_.file), "The copy (required); its map is PATH.map"}});
    if (form == Form::plugin) {
        add({{"cor-source", takes::child(source_, "the source"),
              "A path, an NBD URI or [ COMMAND ] (the parameter that needs no key)"}});
    }
    add({
        {"cor-cluster-size",
         takes::power_of_two(options_.cluster_size, mapfile::smallest_cluster,
                             mapfile::largest_cluster),
         "What is fetched and kept as a whole (default 64K)"},
        {"cor-timeout", takes::duration(options_.timeout), "How long the source may take"},
        {"cor-on-cache", takes::truth(options_.on_cache), "NBD_CMD_CACHE prefetches"},
        {"cor-read-only-copy", takes::truth(options_.read_only_copy),
         "Keep what read-only clients read"},
        {"cor-stream", takes::truth(options_.stream), "Fetch the rest in the background"},
        {"cor-stream-rate", takes::size(options_.stream_rate),
         "Bytes per second (default 0: no limit)"},
        {"cor-trace", takes::path(options_.trace), "Record the order of use, and prefetch in it"},
        {"cor-max-depth", takes::parsed("<N>", options_.max_depth, parse_depth),
         "Copy only the top N layers of the source (default: all)"},
        control().parameter("cor-control"),
    });
}

/// What nbdkit's file and nbd plugins are told to open: with others there is only
/// the size and the content to know the source by.
void CorModule::name_source_below()
{
    constexpr std::array known = {"uri", "socket", "export", "hostname", "port"};
    for (const auto& [key, value] : below()) {
        std::string text;
        if (key == "file") {
            text = (std::filesystem::path(directory()) / value).lexically_normal();
        } else if (std::ranges::count(known, key) != 0) {
            text = fmt::format("{}={}", key, value);
        } else {
            continue;
        }
        if (text == options_.file) {
            throw SetupError(fmt::format("cor-file={}: this is the source", options_.file));
        }
        options_.source += (options_.source.empty() ? "" : " ") + text;
    }
}

void CorModule::config_complete()
{
    if (options_.file.empty()) {
        throw SetupError("cor-file= is missing: give the path of the file that keeps the copy");
    }
    if (form() == Form::plugin) {
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
    name_source_below();
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
    setup.name = form() == Form::plugin     ? source_->text
                 : options_.source.empty() ? "the plugin below"
                                           : options_.source;
    setup.fingerprint = copy.header().fingerprint;
    setup.timeout = options_.timeout;
    setup.background = background();
    if (form() == Form::plugin) {
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
    if (form() == Form::plugin && LocalCopy::exists(options_)) {
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
        if (form() == Form::plugin) {
            device = try_source(false);
        }
        copy = std::make_unique<LocalCopy>(options_, device->size());
    }
    Source::Setup setup = source_setup(std::move(device), *copy);
    engine_ = std::make_shared<Engine>(options_, std::move(copy), std::move(setup), control().events());
    if (!options_.trace.empty()) {
        const ClusterMap& map = engine_->local->map();
        engine_->trace = std::make_unique<Trace>(options_.trace, map.size(), map.cluster_size());
    }
    device_ = std::make_shared<CorDevice>(engine_);
    passing_ = std::make_shared<PassingDevice>(device_);
    keeper_ = std::make_unique<Keeper>(*engine_);
    stream_ = std::make_unique<Stream>(*engine_);
    const std::string no_stream =
        background() ? ""
                     : "something below the filter does not serve requests in parallel, so "
                       "nothing can be fetched in the background";
    commands_ = std::make_unique<Control>(*engine_, *stream_, no_stream);
    commands_->add_commands(control().commands());
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
