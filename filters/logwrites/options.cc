// SPDX-License-Identifier: BSD-3-Clause
#include "filters/logwrites/options.h"

#include <fmt/format.h>

#include "common/device/device.h"
#include "filters/logwrites/marks.h"

namespace resilience::logwrites {

std::string_view to_string(WhenFull when_full)
{
    return when_full == WhenFull::error ? "error" : "stop";
}

void check_sector_size(std::string_view what, std::uint64_t size)
{
    if (!writelog::is_sector_size(size, writelog::smallest_sector)) {
        throw SetupError(fmt::format(
            "{}: Invalid log sector size {}: allowed is a power of two from {} to {} bytes (below "
            "{} there is no room for the texts of marks and for the extension of the headers)",
            what, size, writelog::smallest_sector, writelog::largest_sector,
            writelog::smallest_sector));
    }
}

void Options::check(std::uint64_t device_size) const
{
    if (append && sector_size) {
        throw SetupError("logwrites-append, logwrites-sector-size: log-append and log-sector-size "
                         "are mutually exclusive (the sector size is that of the log)");
    }
    if (!mark_offset) {
        return;
    }
    if (*mark_offset % mailbox_size != 0) {
        throw SetupError(fmt::format(
            "logwrites-mark-offset={}: the offset must be a multiple of {}", *mark_offset,
            mailbox_size));
    }
    if (device_size < mailbox_size || *mark_offset > device_size - mailbox_size) {
        throw SetupError(fmt::format(
            "logwrites-mark-offset={}: the {} bytes there must be inside the device, which has {} "
            "bytes",
            *mark_offset, mailbox_size, device_size));
    }
}

}  // namespace resilience::logwrites
