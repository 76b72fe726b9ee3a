// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "common/device/early_read.h"
#include "common/nbd/nbd_connection.h"
#include "common/nbd/nbd_target.h"
#include "common/nbd/server_process.h"
#include "common/thread/clock.h"

namespace resilience {

/// What came of one attempt to connect.
struct NbdAttempt {
    NbdHandle handle;          ///< ready for requests, or null
    NbdProperties properties;  ///< what the server said of itself
    ServerProcess server;      ///< a command's process, on success
    std::string error;         ///< for people: what was tried and what came of it
};

/// Connects to what `target` (a URI or a command) names, and starts the command
/// first; asks for qemu:allocation-depth if that is wanted.  Gives up at
/// `deadline`, or when `cancel_fd` (-1: none) becomes readable.  Only the
/// resolver of host names can take longer.
///
/// A command's server ends with the calling thread.
NbdAttempt connect_nbd(const NbdTarget& target, bool allocation_depth, TimePoint deadline,
                       int cancel_fd);

/// Reads over a connection that nobody else uses, on the calling thread.  False: not all
/// was answered by `deadline`; then the connection can only be closed, and the buffers have
/// to live until that.
bool read_nbd(nbd_handle* handle, std::vector<EarlyRead>& reads, TimePoint deadline);

/// Says good-bye to the server, so that it does not see an error, and closes.
/// Waits for its answer until `deadline`.  Nothing may be in flight.
void disconnect_nbd(NbdHandle handle, TimePoint deadline);

/// Whether a connection over which nothing is asked is still there, as far as that
/// can be told without waiting.
bool is_connected_nbd(nbd_handle* handle);

/// Why a server that says `now` of itself cannot replace one that said
/// `before`; empty if it can.
std::string incompatibility(const NbdProperties& before, const NbdProperties& now);

}  // namespace resilience
