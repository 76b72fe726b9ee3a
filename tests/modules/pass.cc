// SPDX-License-Identifier: BSD-3-Clause
#include "tests/modules/pass.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <optional>
#include <stdexcept>

#include "common/child/child_spec.h"
#include "common/core/log.h"
#include "common/device/pending.h"

namespace resilience {
namespace {

using std::chrono::milliseconds;

std::optional<Op> parse_op(std::string_view text)
{
    for (const Op op : {Op::read, Op::write, Op::flush, Op::zero, Op::trim, Op::cache,
                        Op::extents}) {
        if (text == to_string(op)) {
            return op;
        }
    }
    return std::nullopt;
}

Op need_op(std::string_view key, std::string_view text)
{
    const auto op = parse_op(text);
    if (!op) {
        throw SetupError(std::string(key) + "=" + std::string(text) + ": no such operation");
    }
    return *op;
}

struct Faults {
    std::optional<Op> throws;
    std::optional<Op> fails;
    int error = 0;
    std::uint64_t extend_extents = 0;
};

/// Hands requests on.  In background mode through submit(), with its own
/// buffer and a deadline, as an engine that must not hang does it.
class PassDevice final : public Device {
public:
    PassDevice(std::shared_ptr<Device> below, bool background, const Faults& faults,
               milliseconds timeout)
        : below_(std::move(below)), background_(background), faults_(faults), timeout_(timeout)
    {
    }

    std::string describe() const override { return below_->describe(); }
    std::uint64_t size() const override { return below_->size(); }
    Capabilities capabilities() const override { return below_->capabilities(); }
    BlockLimits block_limits() const override { return below_->block_limits(); }

    int execute(Request& request) override
    {
        if (faults_.throws == request.op) {
            throw std::runtime_error("pass-throw");
        }
        if (faults_.fails == request.op) {
            return faults_.error;
        }
        if (below_->link() == Link::returned) {
            below_->resume();
        }
        const int error = background_ ? submit_and_wait(request) : below_->execute(request);
        if (faults_.extend_extents != 0 && !request.extents.empty()) {
            request.extents.back().length += faults_.extend_extents;
        }
        return error;
    }

    void submit(std::shared_ptr<Request> request, Completion done) override
    {
        below_->submit(std::move(request), std::move(done));
    }

private:
    int submit_and_wait(Request& request)
    {
        Pending pending(*below_, request);
        const auto error = pending.wait_until(real_clock().now() + timeout_);
        if (!error) {
            return ETIMEDOUT;
        }
        if (*error == 0 && request.op == Op::read) {
            std::ranges::copy(pending.data(), request.into.begin());
        }
        request.extents = pending.take_extents();
        return *error;
    }

    const std::shared_ptr<Device> below_;
    const bool background_;
    const Faults faults_;
    const milliseconds timeout_;
};

class Pass final : public Module {
public:
    explicit Pass(Form form) : form_(form) {}

    bool config(std::string_view key, const std::string& value) override
    {
        if (key == "pass-child" && form_ == Form::plugin) {
            spec_ = parse_child_spec(value, std::filesystem::current_path().string());
        } else if (key == "pass-throw") {
            faults_.throws = need_op(key, value);
        } else if (key == "pass-errno") {
            const auto colon = value.find(':');
            faults_.fails = need_op(key, value.substr(0, colon));
            faults_.error = std::stoi(value.substr(colon + 1));
        } else if (key == "pass-extend-extents") {
            faults_.extend_extents = std::stoull(value);
        } else if (key == "pass-timeout") {
            timeout_ = milliseconds(std::stoi(value));
        } else if (key == "pass-fail") {
            fail_ = value;
        } else if (key == "pass-say") {
            say_ = value;
        } else {
            return false;
        }
        return true;
    }

    void config_complete() override
    {
        fail_at("config_complete");
        if (form_ == Form::plugin && !spec_) {
            throw SetupError("pass: a child SPEC must be given: nbdkit pass SPEC");
        }
    }

    milliseconds timeout() const override { return timeout_; }

    void get_ready(std::shared_ptr<Device> next) override
    {
        fail_at("get_ready");
        below_ = form_ == Form::filter ? std::move(next) : open_child(*spec_, {});
        device_ = std::make_shared<PassDevice>(below_, background(), faults_, timeout_);
    }

    void after_fork() override
    {
        below_->start();
        if (!say_.empty()) {
            log::error("{}", say_);
            log::warning("{}", say_);
            log::notice("{}", say_);
        }
    }

    std::shared_ptr<Device> open(const Client& client) override
    {
        if (!client.export_name.empty()) {
            throw SetupError("pass: there is no export '" + client.export_name + "'");
        }
        return device_;
    }

    void cleanup() override { below_->stop(milliseconds(500)); }

private:
    void fail_at(std::string_view step) const
    {
        if (fail_ == step) {
            throw SetupError("pass: told to fail at " + fail_);
        }
    }

    const Form form_;
    std::optional<ChildSpec> spec_;
    Faults faults_;
    std::string fail_;
    std::string say_;
    milliseconds timeout_{10000};
    std::shared_ptr<Device> below_;
    std::shared_ptr<PassDevice> device_;
};

}  // namespace

std::unique_ptr<Module> PassModule::make(Form form) { return std::make_unique<Pass>(form); }

}  // namespace resilience
