// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Records what a checker writes to a state while it recovers it, so that a crash
// in the middle of that can be looked at, too.  The recorder is logwrites' own: a
// request of the checker's stands in the log as a client's would.
//
// Writes that are not in whole sectors come from programs that write to a file and
// mean a disk (e2fsck changes single bytes of a superblock, one behind the other).
// There the kernel would collect them in a page, and send that when it is flushed:
// so that is what is recorded.  Whole sectors are recorded as they come.
//
// A log is begun with the first change; a checker that changes nothing costs
// nothing.

#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "common/device/blocking_device.h"
#include "filters/logwrites/file_storage.h"
#include "filters/logwrites/log_writer.h"
#include "filters/logwrites/recorder.h"

namespace resilience::nbdcrash {

/// Made with std::make_shared.  Safe to use from any thread.
class RecoveryLog final : public BlockingDevice {
public:
    /// `path`: of the log, which replaces what is there.  `sector_size`: of the
    /// log, bytes.
    RecoveryLog(std::shared_ptr<Device> below, std::string path, std::uint32_t sector_size);
    ~RecoveryLog() override;

    std::string describe() const override { return below_->describe(); }
    std::uint64_t size() const override { return below_->size(); }
    Capabilities capabilities() const override;
    int execute(Request& request) override;

    /// Ends the recording; requests go on, unrecorded.  Whether there is a log now.
    /// Throws ToolError if it could not be written.
    bool end();

private:
    int begin();
    int record(Request& request);
    int write_part(Request& request);
    int write_back();

    const std::shared_ptr<Device> below_;
    const std::string path_;
    const std::uint32_t sector_size_;

    std::mutex mutex_;
    bool ended_ = false;
    std::string failure_;  ///< of the log
    std::unique_ptr<logwrites::FileStorage> storage_;
    std::unique_ptr<logwrites::LogWriter> writer_;
    std::unique_ptr<logwrites::Recorder> recorder_;
    std::set<std::uint64_t> dirty_;  ///< pages that were changed, and not recorded
};

}  // namespace resilience::nbdcrash
