// SPDX-License-Identifier: BSD-3-Clause
#include "filters/quorum/options.h"

#include <fmt/format.h>

#include "common/device/device.h"

namespace resilience::quorum {

std::string_view to_string(ReadPattern pattern)
{
    switch (pattern) {
    case ReadPattern::quorum: return "quorum";
    case ReadPattern::fifo: return "fifo";
    case ReadPattern::fastest: return "fastest";
    }
    return "unknown";
}

void Options::settle(std::size_t children)
{
    if (children == 0) {
        throw SetupError("Number of provided children must be 1 or more: give quorum-child=SPEC");
    }
    if (threshold == 0) {
        threshold = children / 2 + 1;
    }
    if (threshold > children) {
        throw SetupError(fmt::format(
            "quorum-threshold={}: threshold may not exceed children count ({})", threshold,
            children));
    }
    if (blkverify && (children != 2 || threshold != 2)) {
        throw SetupError(fmt::format("quorum-blkverify: blkverify=on can only be set if there are "
                                     "exactly two files and vote-threshold is 2 (there are {} "
                                     "children and the threshold is {})",
                                     children, threshold));
    }
    if (blkverify && rewrite_corrupted) {
        throw SetupError("quorum-rewrite-corrupted: rewrite-corrupted=on cannot be used with "
                         "blkverify=on");
    }
    if (read_pattern == ReadPattern::fifo && (blkverify || rewrite_corrupted)) {
        throw SetupError(fmt::format("quorum-read-pattern=fifo compares nothing, so it cannot be "
                                     "used with {}: choose quorum or fastest",
                                     blkverify ? "quorum-blkverify" : "quorum-rewrite-corrupted"));
    }
    if (read_only && rewrite_corrupted) {
        throw SetupError("quorum-rewrite-corrupted writes to the children, so it cannot be used "
                         "with quorum-read-only=true (nbdkit -r alone makes the export read-only "
                         "and leaves the children writable)");
    }
}

}  // namespace resilience::quorum
