// SPDX-License-Identifier: BSD-3-Clause
#include "filters/logwrites/marks.h"

#include <algorithm>

#include <fmt/format.h>

namespace resilience::logwrites {

namespace {

constexpr std::string_view mailbox_prefix = "logwrites-mark:";

bool is_control(char c)
{
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

}  // namespace

std::optional<std::string> refuse_mark(std::string_view name)
{
    if (name.empty()) {
        return "a mark needs a name";
    }
    if (name.size() > writelog::largest_mark) {
        return fmt::format("the mark's name has {} bytes; {} are allowed", name.size(),
                           writelog::largest_mark);
    }
    if (std::any_of(name.begin(), name.end(), is_control)) {
        return "the mark's name has a control character in it; none is allowed";
    }
    if (name.starts_with(own_marks)) {
        return fmt::format("the mark's name begins with '{}', as those that the filter makes by "
                           "itself; use another name",
                           own_marks);
    }
    return std::nullopt;
}

writelog::Entry mark_entry(std::string_view name, std::uint32_t connection)
{
    writelog::Entry entry;
    entry.flags = writelog::flag_mark;
    entry.mark = name;
    entry.data_length = name.size();
    entry.extension.emplace();
    entry.extension->kind = writelog::Kind::mark;
    entry.extension->connection = connection;
    return entry;
}

std::optional<std::string_view> read_mailbox(std::span<const std::byte> sector)
{
    const std::string_view text(reinterpret_cast<const char*>(sector.data()), sector.size());
    if (!text.starts_with(mailbox_prefix)) {
        return std::nullopt;
    }
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) {
        return std::nullopt;
    }
    return text.substr(mailbox_prefix.size(), end - mailbox_prefix.size());
}

}  // namespace resilience::logwrites
