// SPDX-License-Identifier: BSD-3-Clause
#include "filters/blkverify/module.h"

#include <algorithm>
#include <filesystem>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "common/core/log.h"
#include "common/core/parameter.h"
#include "filters/blkverify/control.h"

namespace resilience::blkverify {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds shortest_timeout{10};
constexpr milliseconds longest_timeout{3600 * 1000};
constexpr milliseconds stop_limit{3000};

OnMismatch parse_on_mismatch(std::string_view key, const std::string& value)
{
    for (const OnMismatch mode : {OnMismatch::exit, OnMismatch::error, OnMismatch::report}) {
        if (value == to_string(mode)) {
            return mode;
        }
    }
    throw SetupError(fmt::format("{}={}: expects exit, error or report", key, value));
}

/// What one client sees: the common device, with the client's number on all
/// that it does.
class ConnectionDevice final : public Device {
public:
    ConnectionDevice(std::shared_ptr<VerifyDevice> device, std::uint32_t connection)
        : device_(std::move(device)), connection_(connection)
    {
    }

    std::string describe() const override { return device_->describe(); }
    std::uint64_t size() const override { return device_->size(); }
    Capabilities capabilities() const override { return device_->capabilities(); }
    BlockLimits block_limits() const override { return device_->block_limits(); }
    int execute(Request& request) override { return device_->execute_for(request, connection_); }
    void submit(std::shared_ptr<Request> request, Completion done) override
    {
        device_->submit(std::move(request), std::move(done));
    }

private:
    const std::shared_ptr<VerifyDevice> device_;
    const std::uint32_t connection_;
};

}  // namespace

const char* const BlkverifyModule::config_help =
    "blkverify-raw=<SPEC>           The reference: a path, an NBD URI or [ COMMAND ].\n"
    "blkverify-on-mismatch=<MODE>   exit, error or report (default exit).\n"
    "blkverify-sample=<P>           Share of reads to compare, 0 to 1 or % (default 1).\n"
    "blkverify-timeout=<T>          How long the reference may take (default 10s).\n"
    "blkverify-read-only=<BOOL>     Open the reference read-only (default false).\n"
    "blkverify-control=<SOCKET>     Where nbdctl(1) connects to.\n"
    "blkverify-name=<NAME>          What events and the log call it (default blkverify).";

bool BlkverifyModule::config(std::string_view key, const std::string& value)
try {
    const std::string directory = std::filesystem::current_path();
    if (key == "blkverify-raw") {
        if (raw_) {
            throw SetupError(fmt::format("{}={}: there is one reference, and it has been given "
                                         "already, as '{}'",
                                         key, value, raw_->text));
        }
        raw_ = parse_child_parameter({key, value, directory, {}});
    } else if (key == "blkverify-on-mismatch") {
        options_.on_mismatch = parse_on_mismatch(key, value);
    } else if (key == "blkverify-sample") {
        options_.sample = parse_share(key, value);
    } else if (key == "blkverify-timeout") {
        options_.timeout = parse_duration(key, value, shortest_timeout, longest_timeout);
    } else if (key == "blkverify-read-only") {
        options_.read_only = parse_bool(key, value);
    } else if (key == "blkverify-control") {
        control_path_ = parse_path(key, value, directory);
    } else if (key == "blkverify-name") {
        options_.name = parse_name(key, value);
    } else {
        return false;
    }
    return true;
} catch (const std::invalid_argument& error) {
    throw SetupError(error.what());
}

void BlkverifyModule::observe(std::string_view key, const std::string& value)
{
    if (auto identity = plugin_storage_identity(key, value, std::filesystem::current_path())) {
        below_.push_back(std::move(*identity));
    }
}

void BlkverifyModule::config_complete()
{
    if (!raw_) {
        throw SetupError("blkverify-raw: A block device must be specified for \"raw\": give "
                         "blkverify-raw=SPEC (a path, an NBD URI or [ COMMAND ])");
    }
    const std::string identity = storage_identity(*raw_);
    if (std::find(below_.begin(), below_.end(), identity) != below_.end()) {
        throw SetupError(fmt::format("blkverify-raw={}: this is the device under test itself; the "
                                     "reference must be another copy",
                                     raw_->text));
    }
}

std::shared_ptr<Device> BlkverifyModule::open_reference(const Device& test) const
{
    OpenOptions options;
    options.writable = test.capabilities().writable && !options_.read_only;
    options.timeout = options_.timeout;
    try {
        return open_child(*raw_, options);
    } catch (const SetupError& error) {
        throw SetupError(fmt::format("blkverify-raw: {}", error.what()));
    }
}

void BlkverifyModule::get_ready(std::shared_ptr<Device> next)
{
    reporter_ = std::make_unique<Reporter>(events_, options_);
    reporter_->before_exit([this] { print_summary(); });
    auto reference = open_reference(*next);
    device_ = std::make_shared<VerifyDevice>(options_, std::move(next), std::move(reference),
                                             *reporter_);
    add_commands(commands_, *device_);
    if (!control_path_.empty()) {
        server_ = std::make_unique<ControlServer>(control_path_, commands_, events_);
    }
}

void BlkverifyModule::after_fork()
{
    device_->start();
    if (server_) {
        server_->start();
    }
}

std::shared_ptr<Device> BlkverifyModule::open(const Client& client)
{
    return std::make_shared<ConnectionDevice>(device_, client.connection);
}

void BlkverifyModule::print_summary() const
{
    for (const std::string& line : summary(*device_)) {
        log::notice("{}", line);
    }
}

void BlkverifyModule::cleanup()
{
    if (server_) {
        server_->stop(stop_limit);
    }
    if (device_) {
        device_->stop(stop_limit);
        print_summary();
    }
}

}  // namespace resilience::blkverify
