// SPDX-License-Identifier: BSD-3-Clause
#include "filters/blkverify/module.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/core/log.h"
#include "filters/blkverify/control.h"

namespace resilience::blkverify {

namespace {

constexpr std::chrono::milliseconds stop_limit{3000};

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

BlkverifyModule::BlkverifyModule() : Module(Form::filter, name, "blkverify-")
{
    add({
        {"blkverify-raw", takes::child(raw_, "the reference"),
         "The reference: a path, an NBD URI or [ COMMAND ] (required)"},
        {"blkverify-on-mismatch",
         takes::choice(options_.on_mismatch, {{"exit", OnMismatch::exit},
                                              {"error", OnMismatch::error},
                                              {"report", OnMismatch::report}}),
         "What a difference does"},
        {"blkverify-sample", takes::parsed("<P>", options_.sample, parse_share),
         "Share of reads to compare, 0 to 1 or %"},
        {"blkverify-timeout", takes::duration(options_.timeout),
         "How long the reference may take"},
        {"blkverify-read-only", takes::truth(options_.read_only), "Open the reference read-only"},
        control().parameter("blkverify-control"),
        {"blkverify-name", takes::name(options_.name), "What events and the log call it"},
    });
}

void BlkverifyModule::config_complete()
{
    if (!raw_) {
        throw SetupError("blkverify-raw: A block device must be specified for \"raw\": give "
                         "blkverify-raw=SPEC (a path, an NBD URI or [ COMMAND ])");
    }
    if (std::ranges::count(storage_below(), storage_identity(*raw_)) != 0) {
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
    reporter_ = std::make_unique<Reporter>(control().events(), options_);
    reporter_->before_exit([this] { print_summary(); });
    auto reference = open_reference(*next);
    device_ = std::make_shared<VerifyDevice>(options_, std::move(next), std::move(reference),
                                             *reporter_);
    add_commands(control().commands(), *device_);
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
    if (device_) {
        device_->stop(stop_limit);
        print_summary();
    }
}

}  // namespace resilience::blkverify
