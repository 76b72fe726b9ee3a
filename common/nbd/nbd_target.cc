// SPDX-License-Identifier: BSD-3-Clause

// What an NBD URI leads to, in words.  Only for messages: it is libnbd that
// takes the URI apart in earnest.

#include <cctype>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "common/nbd/nbd_target.h"

namespace resilience {

namespace {

std::string percent_decoded(std::string_view text)
{
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto hex = [&](std::size_t at) {
            return at < text.size() && std::isxdigit(static_cast<unsigned char>(text[at]));
        };
        if (text[i] == '%' && hex(i + 1) && hex(i + 2)) {
            result += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
            i += 2;
        } else {
            result += text[i];
        }
    }
    return result;
}

/// The value of `key` in a query string, decoded; empty if it is not there.
std::string query_value(std::string_view query, std::string_view key)
{
    while (!query.empty()) {
        const auto end = std::min(query.find_first_of("&;"), query.size());
        const std::string_view item = query.substr(0, end);
        if (item.size() > key.size() && item.starts_with(key) && item[key.size()] == '=') {
            return percent_decoded(item.substr(key.size() + 1));
        }
        query.remove_prefix(std::min(end + 1, query.size()));
    }
    return {};
}

/// "localhost port 10809" of "user@localhost" and the like.
std::string host_and_port(std::string_view authority)
{
    if (const auto at = authority.rfind('@'); at != std::string_view::npos) {
        authority.remove_prefix(at + 1);
    }
    const auto colon = authority.rfind(':');
    const auto bracket = authority.rfind(']');
    const bool has_port = colon != std::string_view::npos &&
                          (bracket == std::string_view::npos || colon > bracket);
    const std::string_view host = authority.substr(0, has_port ? colon : authority.size());
    const std::string_view port = has_port ? authority.substr(colon + 1) : "10809";
    return fmt::format("{} port {}", host.empty() ? "localhost" : host, port);
}

}  // namespace

std::string describe_nbd_target(const NbdTarget& target)
{
    if (target.command) {
        return fmt::format("the server of the command \"{}\"", target.address);
    }
    std::string_view rest = target.address;
    const auto colon = rest.find("://");
    if (colon == std::string_view::npos) {
        return target.address;
    }
    const std::string_view scheme = rest.substr(0, colon);
    rest.remove_prefix(colon + 3);
    const auto question = std::min(rest.find('?'), rest.size());
    const std::string_view query = rest.substr(std::min(question + 1, rest.size()));
    rest = rest.substr(0, question);
    const auto slash = std::min(rest.find('/'), rest.size());
    const std::string export_name = percent_decoded(rest.substr(std::min(slash + 1, rest.size())));
    const std::string where = scheme.ends_with("+unix")
                                  ? fmt::format("socket {}", query_value(query, "socket"))
                                  : host_and_port(rest.substr(0, slash));
    return fmt::format("the NBD server at {}, export \"{}\"", where, export_name);
}

}  // namespace resilience
