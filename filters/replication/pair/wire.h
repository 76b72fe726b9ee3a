// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the primary says to the secondary beside the data: the export `control`.
//
// A command is one write of 512 bytes at offset 0 of `control`; it has been
// carried out, or refused, when the write is answered.  What came of it is one
// read of 4096 bytes at offset 0 on the same connection.  The change map of the
// other side is read from map_offset on.  TLS, passwords and access lists cover
// it, because it is an export like any other.
//
// In which order do commands and writes take effect?  NBD gives no order to
// requests that are in flight together, not even on one connection, and a
// connection speaks to one export: so there is no wire on which a checkpoint
// could be queued behind writes.  The order is made by the sender, and it is
// the only order NBD has: *a request that is sent after another one was
// answered comes after it*, on whatever connection (both exports are one
// device of one server, and say so: multi-conn).  So the primary
//
//   1. holds back writes that are to come after checkpoint N,
//   2. waits until every earlier one it has sent was answered,
//   3. sends checkpoint N on `control`, and waits for the answer,
//   4. goes on.
//
// The guest does not wait for that in async mode: what is held back is in the
// backlog.  The secondary holds the line too: a checkpoint waits for writes
// that are being carried out, and lets none in before it is done.
//
// What could break it is a write of an older connection that was lost, still in
// some buffer of the network, that comes in after the checkpoint.  So there are
// sessions.  The primary makes the connection to `control`, says hello, and
// only then makes the one to `primary`.  Hello waits for the writes being
// carried out and refuses whatever else comes on older connections (pair.h,
// Fence).  Each later command carries the session's number; one of a session
// that is over is refused.  When either connection is lost, both are given up,
// and what was sent since the last checkpoint counts as not sent.
//
// A client that knows nothing of this (QEMU's quorum, nbdcopy) just writes to
// `primary`; commands then come by the control socket.
//
// All integers are little-endian, and sizes are fixed.  docs/formats/replication.md
// has the tables.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "filters/replication/pair/identity.h"
#include "filters/replication/pair/pair.h"
#include "filters/replication/pair/state.h"

namespace resilience::replication::wire {

/// The names of the exports; the third one is the default export, "".
constexpr std::string_view data_export = "primary";
constexpr std::string_view control_export = "control";

constexpr std::size_t command_bytes = 512;
constexpr std::size_t status_bytes = 4096;
/// Where the change map begins: bit b of byte k is granule 8k+b; what is
/// behind status.map_bytes reads as zeroes.
constexpr std::uint64_t map_offset = 1 << 20;
/// The size of `control`.
constexpr std::uint64_t control_bytes = map_offset + (std::uint64_t{1} << 30);

enum class Kind : std::uint32_t {
    /// Begins a session: pair, epoch and size are compared; see admit().
    hello = 1,
    /// none or done -> running, with a checkpoint as the start of everything.
    /// Nothing if it runs already.
    start = 2,
    /// `checkpoint`: its number, higher than the last one.  Refused during a
    /// sync: there is nothing whole to keep.
    checkpoint = 3,
    /// From now on the disk is no state that the primary ever had, until
    /// sync_end; the last checkpoint is kept meanwhile.  The sender has durably
    /// noted all that differs.  With flag_full all of it does, so there is no
    /// checkpoint worth keeping, and nothing is saved.  `total`: bytes to copy.
    sync_begin = 4,
    /// `done` of `total` bytes have been copied; for people.
    sync_progress = 5,
    /// All that differed has been copied.  Follow with a checkpoint.
    sync_end = 6,
    /// The change map of this side has been taken over durably.
    map_taken = 7,
    /// The session ends on purpose; the secondary stays as it is.
    goodbye = 8,
};
/// "hello", ...
std::string_view to_string(Kind kind);

constexpr std::uint32_t flag_full = 1;

struct Command {
    Kind kind = Kind::hello;
    std::uint32_t flags = 0;
    std::uint64_t sequence = 0;    ///< the sender's count; comes back in the status
    std::uint64_t session = 0;     ///< what hello was given; 0 in hello itself
    PairId pair{};
    std::uint64_t epoch = 0;
    std::uint64_t device_size = 0; ///< bytes
    std::uint64_t checkpoint = 0;
    std::uint64_t done = 0;        ///< bytes
    std::uint64_t total = 0;       ///< bytes
    std::uint64_t moment = 0;      ///< checkpoint: the same for all disks of a group; 0: alone

    friend bool operator==(const Command&, const Command&) = default;
};

struct Status {
    // Of the last command on this connection.
    std::uint64_t sequence = 0;
    Refusal refusal = Refusal::none;
    std::uint64_t session = 0;     ///< of the connection; 0 before its hello
    std::string text;              ///< why it was refused; at most largest_text bytes

    // Of the secondary now.
    State state = State::none;
    Role role = Role::none;
    PairId pair{};
    std::uint64_t epoch = 0;
    std::uint64_t device_size = 0;      ///< bytes
    std::uint64_t checkpoint = 0;       ///< the number of the last one
    std::uint64_t checkpoint_time = 0;  ///< of its making: ns since 1970, by its own clock
    bool consistent = false;            ///< there is a checkpoint to fail over to
    bool syncing = false;               ///< between sync_begin and sync_end
    bool needs_full = false;            ///< see Admission
    bool was_primary = false;           ///< see Admission
    std::uint32_t error = 0;            ///< the sticky errno; 0: none
    std::uint64_t hidden_bytes = 0;
    std::uint64_t active_bytes = 0;
    std::uint64_t map_granularity = 0;  ///< bytes per bit of the change map; 0: none
    std::uint64_t map_bytes = 0;        ///< how long the change map is
    /// Random, new whenever the secondary's server starts: what was not flushed
    /// may be lost with the machine.
    std::uint64_t instance = 0;

    friend bool operator==(const Status&, const Status&) = default;
};
constexpr std::size_t largest_text = 1024;

std::array<std::byte, command_bytes> encode(const Command& command);
/// Throws std::runtime_error, which says what is wrong with the bytes.
Command decode_command(std::span<const std::byte> bytes);

std::array<std::byte, status_bytes> encode(const Status& status);
/// Throws std::runtime_error, which says what is wrong with the bytes.
Status decode_status(std::span<const std::byte> bytes);

}  // namespace resilience::replication::wire
