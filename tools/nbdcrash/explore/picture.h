// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A log as a picture: time to the right, the device from bottom to top, each
// change a mark at its place, coloured by kind; flushes as thin lines, marks as
// lines with names, bad states as crosses on the time axis.
//
// Time is the number of entries: a log's clock stands still for minutes and
// then a thousand things happen at once.  A device is mostly empty, so places
// that nobody touches are left out: the axis has bands, each a touched stretch
// of the device, with its address beside it.

#include <cstdint>
#include <string>
#include <vector>

#include "common/replay/log_index.h"

namespace resilience::nbdcrash {

/// What is drawn.
struct PictureInput {
    std::string title;
    std::uint64_t from = 0;  ///< entries
    std::uint64_t to = 0;
    std::vector<std::pair<std::uint64_t, std::string>> bad;  ///< at so many entries: a state
    std::vector<std::uint64_t> bad_entries;  ///< that are missing in minimised bad states
};

/// A touched stretch of the device.
struct Band {
    std::uint64_t begin = 0;  ///< bytes
    std::uint64_t end = 0;
    double low = 0;   ///< where it is drawn: 0 is the bottom of the picture, 1 the top
    double high = 0;
};

/// The bands of what the entries change; at most a few dozen.
std::vector<Band> bands_of(const writelog::LogIndex& index, std::uint64_t from, std::uint64_t to);

/// Where a byte is drawn, 0 to 1.
double height_of(const std::vector<Band>& bands, std::uint64_t offset);

/// A document of its own: no script, no font, no link.
std::string svg(const writelog::LogIndex& index, const PictureInput& input);

/// `columns` by `rows` characters, with colours if `colour`.
std::string terminal_picture(const writelog::LogIndex& index, const PictureInput& input,
                             unsigned columns, unsigned rows, bool colour);

/// Text that can stand in SVG and HTML; what neither allows becomes U+FFFD.
std::string escaped(const std::string& text);

}  // namespace resilience::nbdcrash
