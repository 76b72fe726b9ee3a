// SPDX-License-Identifier: BSD-3-Clause
#include <sys/stat.h>

#include <fmt/format.h>

#include "common/device/open_options.h"
#include "common/thread/thread_start.h"
#include "filters/logwrites/device_storage.h"
#include "filters/logwrites/file_storage.h"

namespace resilience::logwrites {

namespace {

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
