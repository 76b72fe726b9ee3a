// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A host with a disk in a World, which can be the primary or the secondary of a
// pair.
//
// As the primary it runs the real engine (PrimaryDevice, Stream,
// PrimarySession).  As the secondary it is a model that follows the rules of
// pair.h and wire.h in the shortest way: one instant for each write and each
// command, hidden as a map of sectors.  Between the two is a Network, in which
// everything can go wrong.

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/device/change_map.h"
#include "common/device/device.h"
#include "filters/replication/pair.h"
#include "filters/replication/primary_device.h"
#include "filters/replication/primary_session.h"
#include "filters/replication/wire.h"
#include "tests/sim/world.h"

namespace resilience::sim {

inline constexpr std::uint64_t sector = 512;

/// What reads see, and what survives a power loss.
class Disk {
public:
    explicit Disk(std::uint64_t size) : content_(size), durable_(size) {}

    std::uint64_t size() const { return content_.size(); }
    void write(std::uint64_t offset, std::span<const std::byte> data);
    void zero(std::uint64_t offset, std::uint64_t length);
    void read(std::uint64_t offset, std::span<std::byte> into) const;
    void flush();
    /// Of what was not flushed, some is there and some is not.
    void lose_power(Random& random);
    /// The first word of a sector.
    std::uint64_t stamp(std::uint64_t number) const;
    std::uint64_t sectors() const { return content_.size() / sector; }
    const std::vector<std::byte>& content() const { return content_; }
    void restore(const std::vector<std::byte>& content) { content_ = durable_ = content; }

private:
    std::vector<std::byte> content_;
    std::vector<std::byte> durable_;
    std::set<std::uint64_t> unflushed_;  // sectors
};

/// What joins the two hosts: one for both directions.
struct Network {
    bool cut = false;            ///< nothing passes
    Duration slow{};             ///< added to each transfer
    TimePoint late_until{};      ///< something is delayed
    std::uint64_t cuts = 0;      ///< counts; a connection of an earlier count is broken
};

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
