// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "common/child/child_spec.h"
#include "filters/replication/primary/peer_link.h"

namespace resilience::replication {

/// The secondary as an NBD server.
class NbdPeerLink final : public PeerLink {
public:
    /// `spec` names the export `primary`; throws SetupError if it is no URI of
    /// an export of that name, or cannot be one.
    NbdPeerLink(const std::string& spec, const std::string& directory,
                std::chrono::milliseconds timeout);
    ~NbdPeerLink() override;

    std::string connect() override;
    std::optional<wire::Status> command(const wire::Command& command) override;
    std::optional<wire::Status> status() override;
    bool read_map(std::uint64_t offset, std::span<std::byte> into) override;
    std::shared_ptr<Device> open_data() override;
    void disconnect() override;
    std::string error() const override { return error_; }
    std::string describe() const override { return data_.text; }

private:
    bool transfer(Request& request, std::span<std::byte> answer);
    std::shared_ptr<Device> open(const ChildSpec& spec);

    ChildSpec data_;
    ChildSpec control_;
    const std::chrono::milliseconds timeout_;
    std::shared_ptr<Device> device_;  // the connection to `control`
    std::string error_;
};

}  // namespace resilience::replication
