// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/device/device.h"
#include "common/device/early_read.h"
#include "common/device/open_options.h"
#include "common/nbd/nbd_connection.h"
#include "common/nbd/nbd_operation.h"
#include "common/nbd/nbd_target.h"

namespace resilience {

class NbdLink;

/// An NBD server as a Device, through libnbd's asynchronous calls: one
/// connection, used by all threads at once, re-made for ever when it is lost.
///
/// Requests whose connection ends before their answer fail with ENOTCONN, also
/// those submitted while the link is not up; whether the server carried them
/// out is not known.  After stop() (and before start()) it is ESHUTDOWN.
///
/// A request stays on its connection for as long as that lives, whoever has
/// given it up, so a frozen server never sees an old request race a new one.
class NbdDevice : public Device {
public:
    /// `properties` is what the server said when it was probed, over `probed` if that
    /// is not null: then it is the first connection.
    NbdDevice(const NbdTarget& target, const OpenOptions& options, const NbdProperties& properties,
              NbdHandle probed);
    /// Stops without waiting long, if stop() has not been called.
    ~NbdDevice() override;

    std::string describe() const override { return text_; }
    std::uint64_t size() const override { return properties_.size; }
    Capabilities capabilities() const override;
    BlockLimits block_limits() const override { return properties_.blocks; }

    int execute(Request& request) override;
    void submit(std::shared_ptr<Request> request, Completion done) override;

    Link link() const override;
    std::string link_error() const override;
    void resume() override;
    Progress progress() const override;

    /// See NbdLink::read_early().
    bool read_early(std::vector<EarlyRead>& reads, TimePoint deadline);

    /// Waits for the first attempt to connect, at most the child's timeout.
    void start() override;
    void stop(std::chrono::milliseconds limit) override;

    /// The process id of the server that a command started, or 0.
    pid_t server_pid() const;

private:
    int check(const Request& request) const;

    const std::string text_;
    const bool writable_;
    const NbdProperties properties_;
    const std::shared_ptr<NbdLink> link_;
};

/// Opens `target` (a URI or a command): connects to it within the timeout and asks
/// what it is.  Leaves no thread and no process.  Throws SetupError.
///
/// The connection to a URI is kept for start(), because there are servers that end
/// with their first one (qemu-nbd without -t).  A command is started anew: its server
/// ends with the thread that has started it.
std::shared_ptr<NbdDevice> open_nbd_child(const NbdTarget& target, const OpenOptions& options);

}  // namespace resilience
