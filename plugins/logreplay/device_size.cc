// SPDX-License-Identifier: BSD-3-Clause
#include "plugins/logreplay/device_size.h"

#include <algorithm>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "common/device/device.h"

namespace resilience::logreplay {
namespace {

using writelog::LogFile;
using writelog::LogIndex;
using writelog::Record;

constexpr std::uint64_t block = 4096;

std::uint64_t rounded_up(std::uint64_t bytes, std::uint64_t unit)
{
    return (bytes + unit - 1) / unit * unit;
}

/// Refuses a size that leaves out what the log wrote.
void check_reach(const LogFile& log, const LogIndex& index, std::uint64_t size,
                 std::string_view whose, std::string_view advice)
{
    if (index.reach() <= size) {
        return;
    }
    const auto& records = index.records();
    const auto first = std::ranges::find_if(records, [&](const Record& record) {
        return record.changes() && record.offset + record.length > size;
    });
    throw SetupError(fmt::format(
        "{}: entry {} at byte {} changes the device up to byte {}, but {} {} bytes; {}", log.path(),
        first - records.begin(), first->position, first->offset + first->length, whose, size,
        advice));
}

}  // namespace

std::uint64_t device_size(const LogFile& log, const LogIndex& index,
                          std::optional<std::uint64_t> base, std::optional<std::uint64_t> wanted)
{
    const auto& extension = log.super().extension;
    if (wanted) {
        if (*wanted == 0) {
            throw SetupError("size=0: a device has at least one byte");
        }
        check_reach(log, index, *wanted, "size= is", "give the size that the device had, or more");
        return *wanted;
    }
    if (extension && extension->device_size != 0) {
        if (base && *base != extension->device_size) {
            throw SetupError(fmt::format(
                "{}: the log is of a device of {} bytes, the base has {}; give the image that the "
                "device held before, or size=", log.path(), extension->device_size, *base));
        }
        check_reach(log, index, extension->device_size, "its superblock says that this has",
                    "the log is damaged; size= gives the size of the device");
        return extension->device_size;
    }
    if (base) {
        // Some recorders round the device's size up to whole sectors.
        const std::uint64_t size =
            std::max(*base, std::min(index.reach(), rounded_up(*base, log.sector_size())));
        check_reach(log, index, size, "the base has",
                    "give the image that the device held before, or size=");
        return size;
    }
    if (index.reach() == 0) {
        throw SetupError(fmt::format("{}: no entry changes anything and the superblock does not "
                                     "say how large the device was; give size= or base=",
                                     log.path()));
    }
    return rounded_up(index.reach(), block);
}

}  // namespace resilience::logreplay
