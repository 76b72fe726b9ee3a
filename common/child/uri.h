// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace resilience {

/// A URI taken apart: SCHEME://[USER@]HOST[:PORT]/PATH[?KEY=VALUE&...].
struct Uri {
    std::string scheme;  ///< in lower case
    std::string user;    ///< as written, without the @
    std::string host;    ///< as written; an IPv6 address in its brackets
    std::string port;    ///< empty if absent
    std::string path;    ///< percent-decoded, with its leading slash
    std::vector<std::pair<std::string, std::string>> parameters;  ///< percent-decoded
};

/// Takes `text` apart; nullopt unless it starts with SCHEME://.  Nothing else
/// is checked.
std::optional<Uri> parse_uri(std::string_view text);

/// The URI as a text again, percent-encoded where needed.
std::string to_string(const Uri& uri);

}  // namespace resilience
