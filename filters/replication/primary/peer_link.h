// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The secondary as the primary reaches it: a connection to its export
// `control`, and one to its export `primary` for each session (see wire.h).

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "common/device/device.h"
#include "filters/replication/pair/wire.h"

namespace resilience::replication {

/// One user at a time; every call ends within the timeout that its maker chose.
class PeerLink {
public:
    PeerLink() = default;
    PeerLink(const PeerLink&) = delete;
    PeerLink& operator=(const PeerLink&) = delete;
    virtual ~PeerLink() = default;

    /// Makes the connection to `control`, in place of any older one.  Returns
    /// why it cannot; empty on success.
    virtual std::string connect() = 0;
    /// Has a command carried out.  nullopt: there was no answer, and nobody
    /// knows what came of it; error() says why.  disconnect() then.
    virtual std::optional<wire::Status> command(const wire::Command& command) = 0;
    /// The same without a command.
    virtual std::optional<wire::Status> status() = 0;
    /// Reads the other side's change map from byte `offset` of it.
    virtual bool read_map(std::uint64_t offset, std::span<std::byte> into) = 0;
    /// Makes a connection to `primary`, after hello was accepted.  Null: it
    /// cannot, and error() says why.  Its user stops it.
    virtual std::shared_ptr<Device> open_data() = 0;
    /// Drops the connection to `control`.
    virtual void disconnect() = 0;
    /// What went wrong last.
    virtual std::string error() const = 0;
};

/// The secondary as an NBD server.  `spec` names the export `primary`; throws
/// SetupError if it is no URI of an export of that name.  `directory`: what
/// relative paths in it are relative to.
std::unique_ptr<PeerLink> connect_by_nbd(const std::string& spec, const std::string& directory,
                                         std::chrono::milliseconds timeout);

}  // namespace resilience::replication
