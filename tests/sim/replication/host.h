// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A host with a disk in a World, which can be the primary (primary_life.h) or the
// secondary of a pair.
//
// As the secondary it is a model that follows the rules of pair.h and wire.h in the
// shortest way: one instant for each write and each command, hidden as a map of
// sectors.

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/device/request.h"
#include "common/store/change_map.h"
#include "filters/replication/pair/pair.h"
#include "filters/replication/pair/wire.h"
#include "filters/replication/primary/stream.h"
#include "tests/sim/replication/disk.h"
#include "tests/sim/world.h"

namespace resilience::sim {

struct Host;

/// A host in the role of the secondary.
class Secondary {
public:
    Secondary(World& world, Host& host);

    /// Its server starts; the disk is as it is.
    void start();
    /// It ends; `power`: with all that was not flushed.
    void kill(bool power);
    void freeze() { frozen_ = true; }
    void thaw();
    bool alive() const { return alive_; }
    bool frozen() const { return frozen_; }
    /// Does `what` now, or when it is thawed.
    void when_thawed(std::function<void()> what);

    std::uint32_t connect() { return ++connections_; }
    replication::wire::Status command(const replication::wire::Command& command);
    replication::wire::Status status() const;
    /// A write or zero that came on a connection to `primary`.
    int write(std::uint32_t connection, const Request& request);
    int flush(std::uint32_t connection);

    /// Fails over.  False: there is no checkpoint to fail over to.
    bool promote();
    bool promoted() const { return promoted_; }
    /// Its disk is another one, and its files are gone.
    void forget()
    {
        running_ = syncing_ = saves_ = false;
        checkpoint_ = 0;
        hidden_.clear();
    }

    /// What it would be after a failover, if it is consistent.
    const std::vector<std::byte>& checkpoint_view() const { return view_; }
    bool consistent() const;
    std::uint64_t checkpoint() const { return checkpoint_; }
    std::uint64_t instance() const { return instance_; }
    std::uint64_t made() const { return made_; }  ///< checkpoints, ever
    /// Told of each checkpoint that it makes.
    std::function<void()> on_checkpoint;

private:
    void save(std::uint64_t offset, std::uint64_t length);
    void begin_checkpoint();
    void carry_out(const replication::wire::Command& command,
                   replication::wire::Status& answer);

    World& world_;
    Host& host_;
    bool alive_ = false;
    bool frozen_ = false;
    bool promoted_ = false;
    bool syncing_ = false;       // durable
    bool saves_ = false;         // durable
    bool running_ = false;       // durable
    std::uint64_t instance_ = 0;
    std::uint32_t connections_ = 0;
    std::uint64_t made_ = 0;
    replication::Fence fence_;
    std::uint64_t checkpoint_ = 0;                                    // durable
    std::map<std::uint64_t, std::array<std::byte, sector>> hidden_;   // durable
    std::vector<std::byte> view_;
    std::vector<std::function<void()>> waiting_;
};

struct Host {
    Host(World& world, std::string host_name, std::uint64_t size);

    const std::string name;
    Disk disk;
    replication::Identity identity;
    std::unique_ptr<ChangeMap> map;  ///< all that is in it is durable
    bool has_map = false;
    Secondary secondary;
};

/// A copy of a change map as a killed process leaves it.
std::unique_ptr<ChangeMap> copy_of(const ChangeMap& map);

}  // namespace resilience::sim
