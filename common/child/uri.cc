// SPDX-License-Identifier: BSD-3-Clause
#include "common/child/uri.h"

#include <algorithm>

#include <fmt/format.h>

namespace resilience {

namespace {

// Not <cctype>: what a letter is does not depend on the user's language here.
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

int hex_digit(char c)
{
    if (is_digit(c)) {
        return c - '0';
    }
    const char l = lower(c);
    return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

std::string decode(std::string_view text)
{
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size()) {
            const int high = hex_digit(text[i + 1]);
            const int low = hex_digit(text[i + 2]);
            if (high >= 0 && low >= 0) {
                result += static_cast<char>(high * 16 + low);
                i += 2;
                continue;
            }
        }
        result += text[i];
    }
    return result;
}

std::string encode(std::string_view text)
{
    constexpr std::string_view plain = "-._~/:@,";
    std::string result;
    for (const char c : text) {
        if (is_letter(c) || is_digit(c) || plain.find(c) != std::string_view::npos) {
            result += c;
        } else {
            result += fmt::format("%{:02X}", static_cast<unsigned char>(c));
        }
    }
    return result;
}

std::string_view take_until(std::string_view& text, std::string_view ends)
{
    const auto length = std::min(text.find_first_of(ends), text.size());
    const auto taken = text.substr(0, length);
    text.remove_prefix(length);
    return taken;
}

void parse_authority(std::string_view authority, Uri& uri)
{
    if (const auto at = authority.rfind('@'); at != std::string_view::npos) {
        uri.user = std::string(authority.substr(0, at));
        authority.remove_prefix(at + 1);
    }
    const auto bracket = authority.rfind(']');
    const auto colon = authority.rfind(':');
    if (colon != std::string_view::npos &&
        (bracket == std::string_view::npos || colon > bracket)) {
        uri.port = std::string(authority.substr(colon + 1));
        authority = authority.substr(0, colon);
    }
    uri.host = std::string(authority);
}

}  // namespace

std::optional<Uri> parse_uri(std::string_view text)
{
    const auto mark = text.find("://");
    if (mark == std::string_view::npos || mark == 0 || !is_letter(text.front())) {
        return std::nullopt;
    }
    Uri uri;
    for (const char c : text.substr(0, mark)) {
        if (!is_letter(c) && !is_digit(c) && c != '+' && c != '-' && c != '.') {
            return std::nullopt;
        }
        uri.scheme += lower(c);
    }
    text.remove_prefix(mark + 3);
    parse_authority(take_until(text, "/?#"), uri);
    uri.path = decode(take_until(text, "?#"));
    if (text.starts_with('?')) {
        auto query = text.substr(1, text.find('#') - 1);
        while (!query.empty()) {
            auto pair = take_until(query, "&;");
            const auto key = take_until(pair, "=");
            uri.parameters.emplace_back(decode(key), decode(pair.substr(pair.empty() ? 0 : 1)));
            query.remove_prefix(query.empty() ? 0 : 1);
        }
    }
    return uri;
}

std::string to_string(const Uri& uri)
{
    std::string text = uri.scheme + "://";
    if (!uri.user.empty()) {
        text += uri.user + "@";
    }
    text += uri.host;
    if (!uri.port.empty()) {
        text += ":" + uri.port;
    }
    text += encode(uri.path);
    char separator = '?';
    for (const auto& [key, value] : uri.parameters) {
        text += separator + encode(key) + "=" + encode(value);
        separator = '&';
    }
    return text;
}

}  // namespace resilience
