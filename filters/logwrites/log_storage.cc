// SPDX-License-Identifier: BSD-3-Clause
#include "filters/logwrites/log_storage.h"

#include <sys/stat.h>

#include <cstring>

#include <fmt/format.h>

#include "common/device/buffer_pool.h"
#include "common/device/open_options.h"
#include "common/thread/thread_start.h"
#include "filters/logwrites/file_storage.h"

namespace resilience::logwrites {

namespace {

/// A log on anything that has a size: a block device, an NBD server.
class DeviceStorage final : public LogStorage {
public:
    DeviceStorage(std::shared_ptr<Device> device, std::string name)
        : device_(std::move(device)), name_(std::move(name))
    {
    }

    const std::string& name() const override { return name_; }
    std::uint64_t size() const override { return device_->size(); }
    bool fixed_size() const override { return true; }
    int read(std::uint64_t position, std::span<std::byte> into) override;
    int write(std::uint64_t position, std::span<iovec> parts) override;
    int write_hole(std::uint64_t position, std::uint64_t length) override;
    int reserve(std::uint64_t, std::uint64_t) override { return 0; }
    void extend(std::uint64_t) override {}
    void release(std::uint64_t, std::uint64_t) override {}
    int cut(std::uint64_t) override { return 0; }
    int sync() override;
    void start() override { device_->start(); }
    void stop(std::chrono::milliseconds limit) override { device_->stop(limit); }
    std::uint32_t block_size() const override
    { return device_->block_limits().minimum;
    }

private:
    const std::shared_ptr<Device> device_;
    const std::string name_;
};

int DeviceStorage::read(std::uint64_t position, std::span<std::byte> into)
{
    if (position > size() || into.size() > size() - position) {
        return EIO;
    }
    Request request;
    request.op = Op::read;
    request.offset = position;
    request.length = into.size();
    request.into = into;
    return device_->execute(request);
}

// A Device takes one piece of memory, so the parts are put together first.
int DeviceStorage::write(std::uint64_t position, std::span<iovec> parts)
{
    std::size_t length = 0;
    for (const iovec& part : parts) {
        length += part.iov_len;
    }
    if (position > size() || length > size() - position) {
        return ENOSPC;
    }
    const Buffer buffer = take_buffer(length);
    std::byte* to = buffer.memory.get();
    for (const iovec& part : parts) {
        std::memcpy(to, part.iov_base, part.iov_len);
        to += part.iov_len;
    }
    Request request;
    request.op = Op::write;
    request.offset = position;
    request.length = length;
    request.from = buffer.span();
    request.owner = buffer.memory;
    return device_->execute(request);
}

int DeviceStorage::write_hole(std::uint64_t position, std::uint64_t length)
{
    Request request;
    request.op = Op::zero;
    request.offset = position;
    request.length = length;
    request.flags.may_trim = true;
    return device_->execute(request);
}

int DeviceStorage::sync()
{
    Request request;
    request.op = Op::flush;
    return device_->execute(request);
}

bool is_regular_or_new(const std::string& path)
{
    struct stat st = {};
    return stat(path.c_str(), &st) != 0 || S_ISREG(st.st_mode);
}

/// A file system can hang; that must not hang the start.
std::unique_ptr<LogStorage> open_path(const ChildSpec& spec, std::chrono::milliseconds timeout)
{
    using Opened = std::shared_ptr<std::unique_ptr<LogStorage>>;
    const auto opened = call_with_deadline<Opened>(
        "log-open",
        [path = spec.target, name = spec.text]() -> Opened {
            auto storage = std::make_shared<std::unique_ptr<LogStorage>>();
            if (is_regular_or_new(path)) {
                *storage = std::make_unique<FileStorage>(path, name);
            }
            return storage;
        },
        timeout);
    if (!opened) {
        throw SetupError(fmt::format("'{}' did not answer within {} ms: its file system hangs",
                                     spec.text, timeout.count()));
    }
    return std::move(**opened);
}

}  // namespace

std::unique_ptr<LogStorage> open_log(const ChildSpec& spec, std::chrono::milliseconds timeout)
{
    if (spec.kind == SpecKind::path) {
        if (auto file = open_path(spec, timeout)) {
            return file;
        }
    }
    OpenOptions options;
    options.timeout = timeout;
    return std::make_unique<DeviceStorage>(open_child(spec, options), spec.text);
}

}  // namespace resilience::logwrites
