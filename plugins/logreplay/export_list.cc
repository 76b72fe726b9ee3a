// SPDX-License-Identifier: BSD-3-Clause
#include "plugins/logreplay/export_list.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <string_view>

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace resilience::logreplay {
namespace {

using writelog::LogError;
using writelog::LogFile;
using writelog::LogIndex;
using writelog::Mark;

constexpr std::size_t longest_name = 1024;

std::string time_text(std::uint64_t ns)
{
    const auto since = std::chrono::nanoseconds(ns);
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since);
    const auto rest = std::chrono::duration_cast<std::chrono::microseconds>(since - seconds);
    return fmt::format("{:%Y-%m-%d %H:%M:%S}.{:06} UTC", fmt::gmtime(seconds.count()),
                       rest.count());
}

/// "entry 12, 2026-01-31 12:00:00.000000 UTC"; without what is not known.
std::string entry_text(const LogFile& log, const LogIndex& index, std::uint64_t entry)
{
    std::string text = fmt::format("entry {}", entry);
    if (index[entry].extended != 0) {
        try {
            const auto extension = log.entry_at(index[entry].position).extension;
            if (extension && extension->completed_ns != 0) {
                text += ", " + time_text(extension->completed_ns);
            }
        } catch (const LogError&) {
            // The log has become shorter; the list is still right.
        } catch (const fmt::format_error&) {
            // A time that no calendar has.
        }
    }
    return text;
}

bool is_text(std::string_view name)
{
    return name.size() <= longest_name && std::ranges::all_of(name, [](char c) {
        return static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x7f;
    });
}

/// Names marks so that each can be asked for.
class MarkNames {
public:
    explicit MarkNames(const std::vector<Mark>& marks)
    {
        for (const Mark& mark : marks) {
            counts_.emplace(mark.name, 0);
        }
    }

    /// The next one of `marks`, in their order.
    std::string name(const Mark& mark)
    {
        const std::uint64_t count = ++counts_[mark.name];
        if (!is_text(mark.name)) {
            return std::to_string(mark.entry);
        }
        if (count == 1) {
            return "mark:" + mark.name;
        }
        // Not if that is what another mark, or a clause of a state, looks like.
        const std::string numbered = fmt::format("{}#{}", mark.name, count);
        return counts_.contains(numbered) || mark.name.find(':') != std::string::npos
                   ? std::to_string(mark.entry)
                   : "mark:" + numbered;
    }

private:
    std::map<std::string, std::uint64_t> counts_;
};

void add_marks(const LogFile& log, const LogIndex& index, std::vector<Export>& list)
{
    const auto& marks = index.marks();
    const std::size_t count = std::min(marks.size(), most_listed_marks);
    MarkNames names(marks);
    for (std::size_t i = 0; i < count; i++) {
        std::string text = entry_text(log, index, marks[i].entry);
        if (i + 1 == count && count < marks.size()) {
            text += fmt::format("; {} more marks are not listed", marks.size() - count);
        }
        list.push_back({names.name(marks[i]), std::move(text)});
    }
}

std::uint64_t changes_in(const LogIndex& index, std::uint64_t epoch)
{
    std::uint64_t count = 0;
    for (auto entry = index.epoch_begin(epoch); entry < index.epoch_end(epoch); entry++) {
        count += index[entry].changes() ? 1 : 0;
    }
    return count;
}

void add_flushes(const LogFile& log, const LogIndex& index, std::vector<Export>& list)
{
    const auto& flushes = index.flushes();
    const std::size_t count = std::min(flushes.size(), most_listed_flushes);
    for (std::size_t i = 0; i < count; i++) {
        std::string text = fmt::format("{}; ends e{} ({} changes)",
                                       entry_text(log, index, flushes[i]), i,
                                       changes_in(index, i));
        if (i + 1 == count && count < flushes.size()) {
            text += fmt::format("; flush:{} to flush:{} are not listed", count + 1,
                                flushes.size());
        }
        list.push_back({fmt::format("flush:{}", i + 1), std::move(text)});
    }
}

}  // namespace

std::vector<Export> list_exports(const LogFile& log, const LogIndex& index,
                                 const std::string& point)
{
    std::vector<Export> list;
    list.push_back({"", "the default: " + point});
    list.push_back({"end", fmt::format("all {} entries, {} flushes, {} marks", index.size(),
                                       index.flushes().size(), index.marks().size())});
    add_marks(log, index, list);
    add_flushes(log, index, list);
    return list;
}

}  // namespace resilience::logreplay
