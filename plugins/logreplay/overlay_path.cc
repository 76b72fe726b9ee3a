// SPDX-License-Identifier: BSD-3-Clause
#include "plugins/logreplay/overlay_path.h"

#include <string_view>

#include <fmt/format.h>

#include "common/device/device.h"

namespace resilience::logreplay {
namespace {

// A file name has 255 bytes; ".overlay.map.new" is ours.
constexpr std::size_t longest = 255 - 16;
constexpr std::string_view plain = "-_.,:=+#@";

bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           plain.find(c) != std::string_view::npos;
}

}  // namespace

std::string overlay_path(const std::string& folder, const std::string& name)
{
    std::string file;
    for (const char c : name) {
        if (is_plain(c) && !(file.empty() && c == '.')) {
            file += c;
        } else {
            file += fmt::format("%{:02X}", static_cast<unsigned char>(c));
        }
    }
    if (file.size() > longest) {
        throw SetupError(fmt::format("{}: the name is too long for the file of its overlay ({} "
                                     "bytes, at most {}); keep= may be shorter than drop=",
                                     name, file.size(), longest));
    }
    return folder + "/" + file + ".overlay";
}

}  // namespace resilience::logreplay
