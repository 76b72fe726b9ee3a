// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A Device that is a local file or block device.
//
// What it promises beyond Device, because files do not by themselves:
//  * A file that was truncated by somebody gives EIO, never zeroes that
//    nobody wrote.
//  * Once a flush (or a FUA write) has failed, all later ones fail: the kernel
//    reports lost pages only once (sync_ledger.h).
//  * It is fast where nothing can hang: on tmpfs everything, elsewhere reads
//    from the page cache are done on the caller's thread (execute_now).
//  * Where something can hang (NFS, FUSE, a dying disk) only its own threads
//    do, and the constructor gives up after its timeout.

#include <memory>
#include <string>

#include "common/core/setup_error.h"
#include "common/device/blocking_device.h"
#include "common/device/open_options.h"
#include "common/file/file_io.h"
#include "common/file/file_open.h"
#include "common/file/file_zero.h"

namespace resilience {

/// A regular file or a block device.  Made by std::make_shared only.
///
/// With options.direct, block_limits().minimum tells the alignment that
/// requests must have; others fail with EINVAL (AlignedDevice takes any).
class FileDevice : public BlockingDevice {
public:
    /// Opens and checks `path` (absolute); starts no thread that lasts.
    /// `name` is what describe() returns; empty: the path.  Throws SetupError.
    FileDevice(const std::string& path, const OpenOptions& options, std::string name = {});

    std::string describe() const override { return name_; }
    std::uint64_t size() const override { return file_.size; }
    Capabilities capabilities() const override;
    BlockLimits block_limits() const override;

    /// What is open, for who watches over it.
    const OpenedFile& opened() const { return file_; }

    int execute(Request& request) override;
    std::optional<int> execute_now(Request& request) override;
    bool immediate(Op op) const override;

    /// Makes written data durable and drops the page cache of this file.
    int invalidate_cache() override;

private:
    int refusal(const Request& request) const;
    int zero_or_trim(const Request& request);
    int prefetch(const Request& request);

    const std::string name_;
    const OpenedFile file_;
    FileIo io_;
    FileZero zero_;
};

}  // namespace resilience
