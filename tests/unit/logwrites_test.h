// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A log in memory that fails where it is told to, and what can be read of it.

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/format/dm_log_writes.h"
#include "filters/logwrites/log_writer.h"
#include "filters/logwrites/marks.h"
#include "filters/logwrites/recorder.h"
#include "tests/unit/device_test.h"
#include "tests/unit/faulty_device.h"

namespace logwrites_test {

using namespace resilience;
using namespace resilience::logwrites;
using device_test::Bytes;
using resilience::test::FaultyDevice;

/// Thread-safe.
class MemoryStorage final : public LogStorage {
public:
    explicit MemoryStorage(std::uint64_t fixed = 0) : bytes_(fixed), fixed_(fixed != 0) {}
    explicit MemoryStorage(Bytes bytes) : bytes_(std::move(bytes)), fixed_(false) {}

    /// Writes that touch a byte from here on fail.
    void fail_from(std::uint64_t position, int error)
    {
        const std::lock_guard lock(mutex_);
        fail_from_ = position;
        error_ = error;
    }
    /// No more than this can be reserved.
    void set_room(std::uint64_t bytes, bool can_reserve = true)
    {
        const std::lock_guard lock(mutex_);
        room_ = bytes;
        can_reserve_ = can_reserve;
    }
    Bytes bytes() const
    {
        const std::lock_guard lock(mutex_);
        return bytes_;
    }
    int syncs() const { return syncs_; }
    /// Called before each write, without locks; an errno makes it fail.
    std::function<int(std::uint64_t position)> before_write;

    const std::string& name() const override { return name_; }
    std::uint64_t size() const override { return bytes().size(); }
    bool fixed_size() const override { return fixed_; }
    int read(std::uint64_t position, std::span<std::byte> into) override
    {
        const std::lock_guard lock(mutex_);
        if (position + into.size() > bytes_.size()) {
            return EIO;
        }
        std::memcpy(into.data(), bytes_.data() + position, into.size());
        return 0;
    }
    int write(std::uint64_t position, std::span<iovec> parts) override
    {
        if (const int error = before_write ? before_write(position) : 0) {
            return error;
        }
        const std::lock_guard lock(mutex_);
        std::uint64_t end = position;
        for (const iovec& part : parts) {
            end += part.iov_len;
        }
        if (end > fail_from_) {
            return error_;
        }
        bytes_.resize(std::max<std::uint64_t>(bytes_.size(), end));
        for (const iovec& part : parts) {
            std::memcpy(bytes_.data() + position, part.iov_base, part.iov_len);
            position += part.iov_len;
        }
        return 0;
    }
    int write_hole(std::uint64_t position, std::uint64_t length) override
    {
        const std::lock_guard lock(mutex_);
        bytes_.resize(std::max<std::uint64_t>(bytes_.size(), position + length));
        return 0;
    }
    int reserve(std::uint64_t position, std::uint64_t length) override
    {
        const std::lock_guard lock(mutex_);
        if (!can_reserve_) {
            return ENOTSUP;
        }
        return position + length > room_ ? ENOSPC : 0;
    }
    void extend(std::uint64_t) override {}
    void release(std::uint64_t, std::uint64_t) override {}
    int cut(std::uint64_t end) override
    {
        const std::lock_guard lock(mutex_);
        if (!fixed_) {
            bytes_.resize(end);
        }
        return 0;
    }
    int sync() override
    {
        syncs_++;
        return 0;
    }

private:
    const std::string name_ = "memory";
    mutable std::mutex mutex_;
    Bytes bytes_;
    const bool fixed_;
    std::uint64_t fail_from_ = ~0ULL;
    int error_ = 0;
    std::uint64_t room_ = ~0ULL;
    bool can_reserve_ = true;
    std::atomic<int> syncs_{0};
};

/// The counted entries.
inline std::vector<writelog::Entry> entries_of(const MemoryStorage& storage)
{
    const Bytes bytes = storage.bytes();
    const auto super = writelog::decode_superblock(bytes);
    std::vector<writelog::Entry> entries;
    if (!super) {
        return entries;
    }
    std::uint64_t position = super->sector_size;
    while (entries.size() < super->entries && position + super->sector_size <= bytes.size()) {
        entries.push_back(writelog::decode_entry(
            std::span(bytes).subspan(position, writelog::header_bytes)));
        position += entries.back().log_sectors() * super->sector_size;
    }
    return entries;
}

/// "start W0+8 F M:name ...": writes, discards, flushes, marks.
inline std::string text_of(const MemoryStorage& storage)
{
    std::string text;
    for (const auto& entry : entries_of(storage)) {
        if (!text.empty()) {
            text += ' ';
        }
        if (entry.is_mark()) {
            text += entry.mark.starts_with(own_marks) ? entry.mark.substr(own_marks.size())
                                                      : "M:" + entry.mark;
        } else if (entry.is_flush()) {
            text += "F";
        } else {
            text += (entry.is_discard() ? "D" : "W") + std::to_string(entry.sector) + "+" +
                    std::to_string(entry.sectors) + (entry.is_fua() ? "!" : "");
        }
    }
    return text;
}

/// A recorder over a device in memory.
struct Recording {
    explicit Recording(std::uint64_t device_size = 1 << 20, Options options = {},
                       std::uint64_t fixed_log = 0, std::uint64_t room = ~0ULL)
        : storage(fixed_log), device(std::make_shared<FaultyDevice>(device_size))
    {
        storage.set_room(room);
        start.sector_size = options.sector_size.value_or(512);
        start.position = start.sector_size;
        LogWriter::Settings settings;
        settings.device_size = device_size;
        settings.super_update_interval = options.super_update_interval;
        settings.stop_when_full = options.full == WhenFull::stop;
        settings.extension = options.ext;
        settings.on_end = [this](const std::string& reason) { ended.push_back(reason); };
        writer = std::make_unique<LogWriter>(storage, start, settings);
        if (writer->begin() != 0) {
            throw std::runtime_error("the log cannot be begun");
        }
        recorder = std::make_unique<Recorder>(
            device, *writer, options, [](std::string_view, std::uint64_t, std::string_view) {});
    }

    int write(std::uint64_t offset, std::uint64_t length, bool fua = false, unsigned seed = 1)
    {
        const Bytes bytes = device_test::pattern(length, seed);
        Request request = device_test::writing(offset, bytes, {.fua = fua});
        return recorder->execute(request, 1);
    }
    int simple(Op op, std::uint64_t offset = 0, std::uint64_t length = 0)
    {
        Request request = device_test::simple(op, offset, length);
        return recorder->execute(request, 1);
    }
    int flush() { return simple(Op::flush); }

    LogStart start;
    MemoryStorage storage;
    std::shared_ptr<FaultyDevice> device;
    std::vector<std::string> ended;
    std::unique_ptr<LogWriter> writer;
    std::unique_ptr<Recorder> recorder;
};

}  // namespace logwrites_test
