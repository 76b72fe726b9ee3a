// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// nbdkit's `next`, the plugin or filter below ours, as a Device.  The only
// device that knows nbdkit, which is why it is not in common/device.
//
// It has two modes, chosen by the thread model that nbdkit has settled on,
// because nbdkit takes its locks for clients' requests, not for calls into
// `next`: threads of our own go past them.
//
// background() == true, the model is PARALLEL.  One shared context for all
//   (see next_context.h), used from a client's thread by execute() and from a
//   pool by submit().  A connection of a client opens nothing below.  A plugin
//   that hangs keeps some threads, and everybody else goes on.
//
// background() == false, the model is stricter.  Requests must run on the
//   very thread that nbdkit has taken its lock for, through the context of
//   that connection, so they work only inside a Scope, which the shim has
//   around each callback; elsewhere they end with ENOTCONN.  submit() does
//   its work before it returns.  A plugin that hangs takes its caller along.

#include <memory>
#include <string>

#include "common/device/blocking_device.h"
#include "common/nbdkit/next_calls.h"
#include "common/nbdkit/next_context.h"

namespace resilience {

/// Made with std::make_shared, like every BlockingDevice.
class NextDevice final : public BlockingDevice {
public:
    struct Options {
        std::string name;         ///< the filter's, for messages and threads
        nbdkit_backend* backend;  ///< what `.config_complete` was given as nxdata
        NextFacts facts;          ///< what the probe found
        bool background = true;   ///< the thread model is PARALLEL
        std::chrono::milliseconds timeout{10000};  ///< for opening, in start()
    };
    explicit NextDevice(const Options& options);

    /// The `next` of the callback that this thread is in, for the mode without
    /// background.  Scopes do not nest.
    class Scope {
    public:
        Scope(nbdkit_next* next, const NextFacts& facts) noexcept;
        Scope(const Scope&) = delete;
        Scope& operator=(const Scope&) = delete;
        ~Scope();
    };

    /// Whether this device may be used from threads of our own.
    bool background() const { return shared_ != nullptr; }

    std::string describe() const override { return "next"; }
    std::uint64_t size() const override { return facts_.size; }
    Capabilities capabilities() const override { return facts_.capabilities; }
    BlockLimits block_limits() const override { return facts_.limits; }
    int execute(Request& request) override;
    void submit(std::shared_ptr<Request> request, Completion done) override;
    Link link() const override;
    std::string link_error() const override;
    void resume() override;
    void start() override;
    void stop(std::chrono::milliseconds limit) override;

private:
    NextFacts facts_;
    std::chrono::milliseconds timeout_;
    std::shared_ptr<SharedNext> shared_;  ///< null without background
};

}  // namespace resilience
