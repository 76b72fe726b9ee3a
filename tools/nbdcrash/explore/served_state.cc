// SPDX-License-Identifier: BSD-3-Clause
#include "tools/nbdcrash/explore/served_state.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace resilience::nbdcrash {

namespace {

/// A file as large as the device, in memory; only what is written takes room.
std::unique_ptr<OverlayStore> in_memory(std::uint64_t size)
{
    OpenedFile file;
    file.fd = UniqueFd(::memfd_create("nbdcrash-overlay", MFD_CLOEXEC));
    if (!file.fd || ::ftruncate(file.fd.get(), static_cast<off_t>(size)) == -1) {
        throw SetupError(fmt::format("no memory for what a checker writes: {}",
                                     std::strerror(errno)));
    }
    file.size = size;
    file.writable = true;
    file.in_memory = true;
    file.punch = true;
    return std::make_unique<OverlayStore>(std::move(file), "", 0, OverlayMap{});
}

}  // namespace

ReadTracker::ReadTracker(std::shared_ptr<Device> below)
    : BlockingDevice("reads"), below_(std::move(below)), reads_(below_->size())
{
}

int ReadTracker::execute(Request& request)
{
    if (request.op == Op::read || request.op == Op::extents) {
        const std::lock_guard lock(mutex_);
        reads_.add({request.offset, request.end()});
    }
    const int error = below_->execute(request);
    if (error != 0 && request.op == Op::read) {
        const std::lock_guard lock(mutex_);
        error_ = error_ != 0 ? error_ : error;
    }
    return error;
}

std::vector<resilience::ByteRange> ReadTracker::reads() const
{
    const std::lock_guard lock(mutex_);
    return reads_.ranges();
}

int ReadTracker::error() const
{
    const std::lock_guard lock(mutex_);
    return error_;
}

ServedState serve_state(std::shared_ptr<Device> source)
{
    auto tracker = std::make_shared<ReadTracker>(std::move(source));
    auto overlay = std::make_shared<OverlayDevice>(tracker, in_memory(tracker->size()));
    return {std::move(tracker), std::move(overlay)};
}

}  // namespace resilience::nbdcrash
