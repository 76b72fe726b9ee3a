// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace resilience::replication {

/// Which side of the pair this server is started as.
enum class Mode : std::uint8_t { unset, primary, secondary };
std::string_view to_string(Mode mode);

/// When the primary acknowledges a write.
enum class Protocol : std::uint8_t {
    sync,   ///< when both disks have it
    async,  ///< when the local disk has it; the rest is in the backlog
};

/// What the primary does when the backlog is full.
enum class BacklogFull : std::uint8_t {
    wait,    ///< the guest waits for room
    resync,  ///< the secondary falls behind; what it misses is copied later
};

/// The parameters, checked.  Paths are absolute; an empty one was not given.
struct Options {
    Mode mode = Mode::unset;
    std::string name = "replication";  ///< what events and messages call the disk
    std::string control;               ///< replication-control=
    std::string identity;              ///< replication-identity=
    std::string bitmap;                ///< replication-bitmap=
    std::vector<std::string> group;    ///< replication-group=: the others' control sockets
    std::string disk;                  ///< what the plugin below opens, if that is known
    std::string directory;             ///< where we were started; for SPECs
    /// How long the other side, the disk and whoever holds a range may take.
    std::chrono::milliseconds timeout{10000};

    // Secondary.
    std::string active;
    std::string hidden;
    std::uint32_t cluster_size = 4096;  ///< bytes; a power of two

    // Primary.
    std::string secondary;  ///< a SPEC, as given
    Protocol protocol = Protocol::sync;
    BacklogFull backlog_full = BacklogFull::resync;
    std::uint64_t backlog_bytes = 64 << 20;
    std::chrono::milliseconds backlog_age{10000};
    std::chrono::milliseconds checkpoint_interval{0};  ///< 0: none
    bool checkpoint_on_flush = false;
    std::uint64_t resync_rate = 0;  ///< bytes per second; 0: no limit
    /// Acknowledges writes after a start although the secondary cannot be
    /// asked whether it was promoted meanwhile.
    bool alone = false;
    /// Begins with the server; else by command, and until then all I/O is EIO.
    bool autostart = true;
};

}  // namespace resilience::replication
