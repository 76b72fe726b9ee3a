// SPDX-License-Identifier: BSD-3-Clause
#include "common/file/file_extents.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "common/device/extents.h"

namespace resilience {

namespace {

/// A list longer than this ends with one piece of data: an answer that long
/// helps nobody, and a file of holes could keep us busy for minutes.
constexpr std::size_t max_extents = 64 * 1024;

void add(ExtentList& extents, std::uint64_t length, bool hole)
{
    append_extent(extents, {.length = length, .hole = hole, .zero = hole});
}

/// lseek that answers `end` where there is nothing more to find, and nullopt
/// if it does not know.  It moves the file position, which nobody uses.
std::optional<std::uint64_t> seek(int fd, std::uint64_t from, int whence, std::uint64_t end)
{
    const off_t found = lseek(fd, static_cast<off_t>(from), whence);
    if (found < 0) {
        return errno == ENXIO ? std::optional(end) : std::nullopt;
    }
    const auto position = static_cast<std::uint64_t>(found);
    if (position < from) {
        return std::nullopt;  // a file system that errs; do not run in circles
    }
    return std::min(position, end);
}

}  // namespace

int find_extents(const OpenedFile& file, Request& request)
{
    ExtentList& extents = request.extents;
    extents.clear();
    std::uint64_t position = request.offset;
    const std::uint64_t end = request.end();
    while (position < end && file.seek_data && extents.size() < max_extents) {
        if (request.flags.one_extent && extents.size() > 1) {
            break;
        }
        const auto data = seek(file.fd.get(), position, SEEK_DATA, end);
        if (!data) {
            break;
        }
        add(extents, *data - position, true);
        position = *data;
        if (position == end) {
            break;
        }
        const auto hole = seek(file.fd.get(), position, SEEK_HOLE, end);
        if (!hole || *hole == position) {
            break;
        }
        add(extents, *hole - position, false);
        position = *hole;
    }
    if (request.flags.one_extent && !extents.empty()) {
        extents.resize(1);
        return 0;
    }
    add(extents, end - position, false);
    return 0;
}

}  // namespace resilience
