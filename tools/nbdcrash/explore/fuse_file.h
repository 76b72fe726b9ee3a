// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A device as a file, by FUSE: one mount for as long as the object lives, in
// which one state after the other appears.
//
// The kernel caches nothing of the content (direct_io), so a change of state
// needs no word to it, and every read of a checker comes here as it was asked:
// what is not read is known for certain.  Attributes never change, so those are
// cached for good.
//
// The server is a thread of this process.  No other thread of it may touch the
// mount; whoever does (a checker) is another process.

#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "common/device/device.h"
#include "common/thread/event_fd.h"

struct fuse_session;

namespace resilience::nbdcrash {

class FuseFile {
public:
    /// Throws SetupError if this program was built without libfuse.
    static void require();

    /// Mounts at `folder`, which exists.  `for_all`: other users can use it.
    /// Throws SetupError, which says what to do.
    FuseFile(const std::string& folder, std::uint64_t size, bool for_all);
    FuseFile(const FuseFile&) = delete;
    FuseFile& operator=(const FuseFile&) = delete;
    /// Unmounts, also if somebody has the file open.
    ~FuseFile();

    const std::string& path() const { return path_; }

    /// What the file contains from now on; null: every request fails (EIO).
    void show(std::shared_ptr<Device> device);
    std::shared_ptr<Device> device() const;
    std::uint64_t size() const { return size_; }
    bool for_all() const { return for_all_; }

private:
    void serve();

    const std::string folder_;
    const std::string path_;
    const std::uint64_t size_;
    const bool for_all_;
    mutable std::mutex mutex_;
    std::shared_ptr<Device> device_;
    fuse_session* session_ = nullptr;
    EventFd stop_;
    std::thread thread_;
};

}  // namespace resilience::nbdcrash
