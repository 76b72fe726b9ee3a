// SPDX-License-Identifier: BSD-3-Clause
#include "filters/replication/primary/peer_link.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "common/child/child_spec.h"
#include "common/child/uri.h"
#include "common/device/pending.h"

namespace resilience::replication {

namespace {

constexpr std::chrono::milliseconds goodbye_limit{200};

[[noreturn]] void refuse(const std::string& spec, const std::string& why)
{
    throw SetupError(fmt::format("replication-secondary={}: {}; give the URI of the secondary's "
                                 "export `{}', such as nbd://standby/{}",
                                 spec, why, wire::data_export, wire::data_export));
}

/// The secondary as an NBD server.
class NbdPeerLink final : public PeerLink {
public:
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

private:
    bool transfer(Request& request, std::span<std::byte> answer);
    std::shared_ptr<Device> open(const ChildSpec& spec);

    ChildSpec data_;
    ChildSpec control_;
    const std::chrono::milliseconds timeout_;
    std::shared_ptr<Device> device_;  // the connection to `control`
    std::string error_;
};

NbdPeerLink::NbdPeerLink(const std::string& spec, const std::string& directory,
                         std::chrono::milliseconds timeout)
    : timeout_(timeout)
{
    try {
        data_ = parse_child_spec(spec, directory);
    } catch (const SetupError& error) {
        throw SetupError(fmt::format("replication-secondary: {}", error.what()));
    }
    auto uri = parse_uri(data_.target);
    if (data_.kind != SpecKind::uri || !uri) {
        refuse(spec, "a secondary is a server of its own, so it has to be a URI");
    }
    if (uri->path.substr(uri->path.empty() ? 0 : 1) != wire::data_export) {
        refuse(spec, fmt::format("this is the export '{}'",
                                 uri->path.substr(uri->path.empty() ? 0 : 1)));
    }
    control_ = data_;
    uri->path = fmt::format("/{}", wire::control_export);
    control_.target = control_.text = to_string(*uri);
}

NbdPeerLink::~NbdPeerLink()
{
    disconnect();
}

std::shared_ptr<Device> NbdPeerLink::open(const ChildSpec& spec)
{
    OpenOptions options;
    options.timeout = timeout_;
    try {
        auto device = open_child(spec, options);
        device->start();
        if (device->link() == Link::up) {
            return device;
        }
        error_ = device->link_error();
        device->stop(goodbye_limit);
    } catch (const SetupError& error) {
        error_ = error.what();
    }
    return nullptr;
}

std::string NbdPeerLink::connect()
{
    disconnect();
    device_ = open(control_);
    if (device_ && device_->size() != wire::control_bytes) {
        error_ = fmt::format("{}: its export `{}' is none of a replication secondary ({} bytes)",
                             data_.text, wire::control_export, device_->size());
        disconnect();
    }
    return device_ ? std::string() : error_;
}

void NbdPeerLink::disconnect()
{
    if (const auto device = std::exchange(device_, nullptr)) {
        device->stop(goodbye_limit);
    }
}

/// One request on `control`; `answer` gets what a read returned.
bool NbdPeerLink::transfer(Request& request, std::span<std::byte> answer)
{
    if (!device_) {
        error_ = "not connected";
        return false;
    }
    request.into = answer;
    Pending pending(*device_, request);
    const auto error = pending.wait_until(real_clock().now() + timeout_);
    if (!error) {
        error_ = fmt::format("the secondary has not answered for {:.3g} s",
                             std::chrono::duration<double>(timeout_).count());
        return false;
    }
    if (*error != 0) {
        error_ = fmt::format("`{}': {}{}{}", wire::control_export, std::strerror(*error),
                             device_->link_error().empty() ? "" : ": ", device_->link_error());
        return false;
    }
    if (!answer.empty()) {
        std::ranges::copy(pending.data(), answer.begin());
    }
    return true;
}

std::optional<wire::Status> NbdPeerLink::status()
{
    std::array<std::byte, wire::status_bytes> bytes;
    Request request;
    request.length = bytes.size();
    if (!transfer(request, bytes)) {
        return std::nullopt;
    }
    try {
        return wire::decode_status(bytes);
    } catch (const std::runtime_error& error) {
        error_ = error.what();
        return std::nullopt;
    }
}

std::optional<wire::Status> NbdPeerLink::command(const wire::Command& command)
{
    const auto bytes = wire::encode(command);
    Request request;
    request.op = Op::write;
    request.length = bytes.size();
    request.from = bytes;
    if (!transfer(request, {})) {
        return std::nullopt;
    }
    auto status = this->status();
    if (status && status->sequence != command.sequence) {
        error_ = "the secondary answers another command than the last one";
        return std::nullopt;
    }
    return status;
}

bool NbdPeerLink::read_map(std::uint64_t offset, std::span<std::byte> into)
{
    Request request;
    request.offset = wire::map_offset + offset;
    request.length = into.size();
    return transfer(request, into);
}

std::shared_ptr<Device> NbdPeerLink::open_data()
{
    return open(data_);
}

}  // namespace

std::unique_ptr<PeerLink> connect_by_nbd(const std::string& spec, const std::string& directory,
                                         std::chrono::milliseconds timeout)
{
    return std::make_unique<NbdPeerLink>(spec, directory, timeout);
}

}  // namespace resilience::replication
