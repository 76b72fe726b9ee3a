// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A host as the primary: the real engine (PrimaryDevice, Stream, PrimarySession)
// over the host's disk.  Between it and the secondary is a Network, in which
// everything can go wrong.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "common/device/device.h"
#include "filters/replication/primary/device.h"
#include "filters/replication/primary/session.h"
#include "tests/sim/replication/host.h"
#include "tests/sim/world.h"

namespace resilience::sim {

/// What joins the two hosts: one for both directions.
struct Network {
    bool cut = false;            ///< nothing passes
    Duration slow{};             ///< added to each transfer
    TimePoint late_until{};      ///< something is delayed
    std::uint64_t cuts = 0;      ///< counts; a connection of an earlier count is broken
};

/// A host in the role of the primary, from a start to its end.
class PrimaryLife {
public:
    struct Hooks {
        /// The local disk was changed in these bytes.
        std::function<void(ByteRange)> changed;
        std::function<void(const std::string&)> say;
    };
    PrimaryLife(World& world, Clock& clock, Network& network, Host& host, Host& other,
                const replication::Options& options, Hooks hooks);
    ~PrimaryLife();

    /// Asks first, as the server does when it starts.  False: it must not run.
    bool begin(std::string& why);
    /// Nothing of it does anything any more; the host's map is as it was.
    /// `power`: its disk loses what was not flushed.
    void kill(bool power = false);
    bool alive() const;
    const replication::Options& options() const { return options_; }
    replication::PrimaryDevice& device() { return *device_; }
    replication::PrimarySession& session() { return *session_; }
    Host& host() { return host_; }

private:
    struct State;
    class LocalDisk;
    class Control;
    class Data;

    World& world_;
    Host& host_;
    const replication::Options options_;
    std::shared_ptr<State> state_;
    std::unique_ptr<Control> link_;
    std::shared_ptr<replication::PrimaryDevice> device_;
    std::unique_ptr<replication::PrimarySession> session_;
};

}  // namespace resilience::sim
