// SPDX-License-Identifier: BSD-3-Clause
#include "tests/modules/pass.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <thread>

#include <fmt/format.h>

#include "common/child/child_spec.h"
#include "common/control/json.h"
#include "common/core/log.h"
#include "common/device/pending.h"
#include "common/thread/background_thread.h"

namespace resilience {
namespace {

using std::chrono::milliseconds;

Op parse_op(std::string_view key, std::string_view text)
{
    for (const Op op : {Op::read, Op::write, Op::flush, Op::zero, Op::trim, Op::cache,
                        Op::extents}) {
        if (text == to_string(op)) {
            return op;
        }
    }
    throw SetupError(fmt::format("{}={}: no such operation", key, text));
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
        requests++;
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

    std::atomic<std::uint64_t> requests{0};

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
    explicit Pass(Form form)
        : Module(form, PassModule::name, "pass-"), flusher_("pass-flush", [this](const auto&) {
              flush();
              return real_clock().now() + flush_interval_;
          })
    {
        if (form == Form::plugin) {
            add({{"pass-child", takes::child(spec_, "a child"), "The device"}});
        }
        add({
            {"pass-throw", takes::parsed("<OP>", faults_.throws, parse_op),
             "Throw an exception when this operation is asked for"},
            {"pass-errno",
             {"<OP>:<N>", "", [this](const Given& given) {
                  const auto colon = std::min(given.value.find(':'), given.value.size() - 1);
                  faults_.fails = parse_op(given.key, given.value.substr(0, colon));
                  faults_.error = static_cast<int>(
                      parse_integer(given.key, given.value.substr(colon + 1), 1, 100000));
              }, {}},
             "Fail this operation with errno N"},
            {"pass-extend-extents", takes::size(faults_.extend_extents),
             "Say so many bytes too much in the last extent"},
            {"pass-timeout", takes::duration(timeout_),
             "How long a request may take before it is abandoned"},
            {"pass-fail", takes::text("<STEP>", fail_),
             "Fail this step of the set-up: config_complete or get_ready"},
            {"pass-say", takes::text("<TEXT>", say_),
             "Say this at every level of the log, when the server runs"},
            {"pass-flush-interval", takes::duration(flush_interval_),
             "Flush the device in the background, again and again"},
            control().parameter("pass-control"),
        });
    }

    ~Pass() override
    {
        if (held_) {
            log::error("pass: destroyed although a command uses it");
        }
    }

    void config_complete() override
    {
        fail_at("config_complete");
        if (form() == Form::plugin && !spec_) {
            throw SetupError("pass: a child SPEC must be given: nbdkit pass SPEC");
        }
    }

    milliseconds timeout() const override { return timeout_; }

    void get_ready(std::shared_ptr<Device> next) override
    {
        fail_at("get_ready");
        below_ = form() == Form::filter ? std::move(next) : open_child(*spec_, {});
        device_ = std::make_shared<PassDevice>(below_, background(), faults_, timeout_);
        control().commands().add("query-pass", "how many requests there were", {},
                                 [this](const Json&) -> Json {
                                     return {{"requests", device_->requests.load()},
                                             {"held", held_.load()}};
                                 });
        control().commands().add("hold", "run for a minute, whatever the server does", {},
                                 [this](const Json&) {
                                     held_ = true;
                                     std::this_thread::sleep_for(std::chrono::minutes(1));
                                     held_ = false;
                                     return Json::object();
                                 });
    }

    void after_fork() override
    {
        below_->start();
        if (!say_.empty()) {
            log::error("{}", say_);
            log::warning("{}", say_);
            log::notice("{}", say_);
        }
        if (flush_interval_.count() != 0 && background()) {
            flusher_.start();
        }
    }

    std::shared_ptr<Device> open(const Client& client) override
    {
        if (!client.export_name.empty()) {
            throw SetupError("pass: there is no export '" + client.export_name + "'");
        }
        return device_;
    }

    void cleanup() override
    {
        flusher_.stop(BackgroundThread::no_limit);  // a flush has its own limit
        below_->stop(milliseconds(500));
    }

private:
    void fail_at(std::string_view step) const
    {
        if (fail_ == step) {
            throw SetupError("pass: told to fail at " + fail_);
        }
    }

    void flush()
    {
        Request request;
        request.op = Op::flush;
        control().events().emit("PASS_FLUSHED", {{"error", device_->execute(request)}});
    }

    std::optional<ChildSpec> spec_;
    Faults faults_;
    std::string fail_;
    std::string say_;
    milliseconds timeout_{10000};
    milliseconds flush_interval_{0};
    std::shared_ptr<Device> below_;
    std::shared_ptr<PassDevice> device_;
    BackgroundThread flusher_;
    std::atomic<bool> held_{false};
};

}  // namespace

std::unique_ptr<Module> PassModule::make(Form form) { return std::make_unique<Pass>(form); }

}  // namespace resilience
