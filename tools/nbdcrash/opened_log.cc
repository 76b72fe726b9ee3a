// SPDX-License-Identifier: BSD-3-Clause
#include "tools/nbdcrash/opened_log.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/replay/index_file.h"
#include "tools/nbdcrash/tool_error.h"

namespace resilience::nbdcrash {

OpenedLog open_log(const LogOptions& options)
{
    OpenedLog opened;
    opened.file = std::make_shared<writelog::LogFile>(options.log);
    opened.index = options.no_index ? std::make_shared<writelog::LogIndex>(
                                          writelog::LogIndex::scan(*opened.file))
                                    : writelog::load_index(*opened.file);
    return opened;
}

OpenedLog open_whole_log(const LogOptions& options)
{
    OpenedLog opened = open_log(options);
    opened.index->require_whole(*opened.file);
    return opened;
}

std::string beyond(const OpenedLog& log, std::uint64_t size)
{
    const auto& records = log.index->records();
    const auto first = std::ranges::find_if(records, [&](const writelog::Record& record) {
        return record.changes() && record.offset + record.length > size;
    });
    if (first == records.end()) {
        return {};
    }
    return fmt::format("entry {} at byte {} goes up to byte {} of the device",
                       first - records.begin(), first->position, first->offset + first->length);
}

DeviceSize device_size(const OpenedLog& log, std::uint64_t wanted, const Device* base)
{
    const auto& extension = log.file->super().extension;
    const std::uint64_t base_size = base != nullptr ? base->size() : 0;
    DeviceSize size;
    if (wanted != 0) {
        size = {wanted, "--size", true};
    } else if (extension && extension->device_size != 0) {
        size = {extension->device_size, "the superblock", true};
    } else if (base_size >= log.index->reach() && base_size != 0) {
        size = {base_size, "the base", false};
    } else {
        size = {log.index->reach(), "the last byte that the log touches", false};
    }
    if (size.bytes < log.index->reach()) {
        throw ToolError(fmt::format("{}: {}, but the device has {} bytes (from {})",
                                    log.file->path(), beyond(log, size.bytes), size.bytes,
                                    size.source));
    }
    return size;
}

}  // namespace resilience::nbdcrash
