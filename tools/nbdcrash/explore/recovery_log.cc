// SPDX-License-Identifier: BSD-3-Clause
#include "tools/nbdcrash/explore/recovery_log.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tools/nbdcrash/tool_error.h"

namespace resilience::nbdcrash {

namespace {

constexpr std::uint64_t disk_sector = 512;
constexpr std::uint64_t page = 4096;

}  // namespace

RecoveryLog::RecoveryLog(std::shared_ptr<Device> below, std::string path,
                         std::uint32_t sector_size)
    : BlockingDevice("recovery"), below_(std::move(below)), path_(std::move(path)),
      sector_size_(sector_size)
{
}

RecoveryLog::~RecoveryLog() = default;

Capabilities RecoveryLog::capabilities() const
{
    Capabilities capabilities = below_->capabilities();
    capabilities.trim = capabilities.zero;  // as the recorder's
    return capabilities;
}

/// With the mutex held.  0 or an errno.
int RecoveryLog::begin()
try {
    ::unlink(path_.c_str());
    storage_ = std::make_unique<logwrites::FileStorage>(path_, path_);
    logwrites::LogStart start;
    start.sector_size = sector_size_;
    start.position = sector_size_;
    logwrites::LogWriter::Settings settings;
    settings.device_size = below_->size();
    settings.sync = false;  // nobody needs it after a crash of this machine
    settings.stop_when_full = true;  // the checker is not to blame; end() tells
    settings.on_end = [](const std::string&) {};
    writer_ = std::make_unique<logwrites::LogWriter>(*storage_, start, std::move(settings));
    if (const int error = writer_->begin()) {
        failure_ = std::strerror(error);
        return EIO;
    }
    recorder_ = std::make_unique<logwrites::Recorder>(
        below_, *writer_, logwrites::Options{},
        [](std::string_view, std::uint64_t, std::string_view) {});
    return 0;
} catch (const SetupError& error) {
    failure_ = error.what();
    return EIO;
}

int RecoveryLog::execute(Request& request)
{
    // The checker's file has one server, so nobody waits here for long.
    const std::lock_guard lock(mutex_);
    if (ended_ || (!recorder_ && !modifies(request.op))) {
        return below_->execute(request);
    }
    if (!failure_.empty()) {
        return EIO;
    }
    if (!recorder_) {
        if (const int error = begin()) {
            return error;
        }
    }
    return record(request);
}

int RecoveryLog::record(Request& request)
{
    const bool whole = request.offset % disk_sector == 0 && request.length % disk_sector == 0;
    if (request.op == Op::write && !whole) {
        return write_part(request);
    }
    if (request.op == Op::flush) {
        if (const int error = write_back()) {
            return error;
        }
    }
    return recorder_->execute(request, 1);
}

/// The device has it at once, the log when the page is written back.
int RecoveryLog::write_part(Request& request)
{
    const bool is_durable = std::exchange(request.flags.fua, false);
    if (const int error = below_->execute(request)) {
        return error;
    }
    for (std::uint64_t number = request.offset / page; number * page < request.end(); number++) {
        dirty_.insert(number);
    }
    if (!is_durable) {
        return 0;
    }
    Request flush;
    flush.op = Op::flush;
    const int error = write_back();
    return error != 0 ? error : recorder_->execute(flush, 1);
}

int RecoveryLog::write_back()
{
    while (!dirty_.empty()) {
        const std::uint64_t begin = *dirty_.begin() * page;
        std::vector<std::byte> bytes(std::min(page, size() - begin));
        Request read;
        read.op = Op::read;
        read.offset = begin;
        read.length = bytes.size();
        read.into = bytes;
        if (const int error = below_->execute(read)) {
            return error;
        }
        Request write;
        write.op = Op::write;
        write.offset = begin;
        write.length = bytes.size();
        write.from = bytes;
        if (const int error = recorder_->execute(write, 1)) {
            return error;
        }
        dirty_.erase(dirty_.begin());
    }
    return 0;
}

bool RecoveryLog::end()
{
    const std::lock_guard lock(mutex_);
    ended_ = true;
    if (recorder_ && failure_.empty()) {
        if (const int error = write_back()) {
            failure_ = std::strerror(error);
        }
        const logwrites::LogStatus status = writer_->status();
        if (status.state != logwrites::State::recording) {
            failure_ = status.reason;
        } else if (const int error = writer_->end(); error != 0 && failure_.empty()) {
            failure_ = std::strerror(error);
        }
    }
    if (!failure_.empty()) {
        throw ToolError(fmt::format("{}: what the checker writes cannot be recorded: {} (TMPDIR "
                                    "names another place)",
                                    path_, failure_));
    }
    const bool is_there = recorder_ != nullptr;
    recorder_.reset();
    writer_.reset();
    storage_.reset();
    return is_there;
}

}  // namespace resilience::nbdcrash
