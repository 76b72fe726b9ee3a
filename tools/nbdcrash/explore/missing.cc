// SPDX-License-Identifier: BSD-3-Clause
#include "tools/nbdcrash/explore/missing.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include <fmt/format.h>

#include "common/control/json.h"
#include "common/core/compare.h"
#include "tools/nbdcrash/explore/tears.h"
#include "tools/nbdcrash/output.h"
#include "tools/nbdcrash/tool_error.h"

namespace resilience::nbdcrash {

using namespace writelog;

namespace {

constexpr std::uint64_t row = 16;
constexpr std::uint64_t rows = 4;

std::vector<std::byte> read(Device& device, const ByteRange& range)
{
    std::vector<std::byte> bytes(range.length);
    Request request;
    request.op = Op::read;
    request.offset = range.offset;
    request.length = range.length;
    request.into = bytes;
    require(device, request);
    return bytes;
}

/// A line for each 16 bytes: "00040400  53 ef ...  |S...|".
Json hexdump(std::span<const std::byte> bytes, std::uint64_t offset)
{
    Json lines = Json::array();
    for (std::uint64_t at = 0; at < bytes.size(); at += row) {
        const auto part = bytes.subspan(at, std::min<std::uint64_t>(row, bytes.size() - at));
        std::string hex;
        std::string text;
        for (const std::byte byte : part) {
            const auto value = std::to_integer<unsigned char>(byte);
            hex += fmt::format(" {:02x}", value);
            text += value >= 0x20 && value < 0x7f ? static_cast<char>(value) : '.';
        }
        lines.push_back(fmt::format("{:08x} {:<48}  |{}|", offset + at, hex, text));
    }
    return lines;
}

/// Adds what stands in `range` with the write, and without it.
void add_bytes(Json& json, Device& with, Device& lacking, const ByteRange& range)
{
    constexpr std::uint64_t most = 1 << 20;
    const ByteRange looked_at{range.offset, std::min(range.length, most)};
    const auto new_bytes = read(with, looked_at);
    const auto old_bytes = read(lacking, looked_at);
    const std::uint64_t first = first_difference(new_bytes, old_bytes).value_or(0) / row * row;
    const std::uint64_t length = std::min(rows * row, looked_at.length - first);
    json["hexdump"] = hexdump(std::span(new_bytes).subspan(first, length), range.offset + first);
    json["instead"] = hexdump(std::span(old_bytes).subspan(first, length), range.offset + first);
}

Json describe(const Subject& subject, std::uint64_t entry, const char* missing)
{
    const Record& record = subject.index()[entry];
    Json json = {{"entry", entry},
                 {"missing", missing},
                 {"kind", kind_of(record)},
                 {"offset", record.offset},
                 {"length", record.length},
                 {"epoch", subject.index().epoch_of(entry)},
                 {"time", nullptr}};
    const auto header = subject.log().file->entry_at(record.position);
    if (header.extension) {
        json["time"] = time_text(header.extension->completed_ns);
    }
    return json;
}

std::string joined(const Json& lines, const char* before)
{
    std::string text;
    for (const Json& line : lines) {
        text += before + line.get<std::string>() + "\n";
    }
    return text;
}

}  // namespace

std::string missing_text(const Json& write)
{
    std::string text = fmt::format("entry {}: {} of {} bytes at byte {} (0x{:x}) in epoch {}",
                                   write["entry"].get<std::uint64_t>(),
                                   write["kind"].get<std::string>(),
                                   write["length"].get<std::uint64_t>(),
                                   write["offset"].get<std::uint64_t>(),
                                   write["offset"].get<std::uint64_t>(),
                                   write["epoch"].get<std::uint64_t>());
    if (!write["time"].is_null()) {
        text += ", done at " + write["time"].get<std::string>();
    }
    if (write.contains("missing-sectors")) {
        text += fmt::format(", torn: of its sectors 0 to {}, missing: {}",
                            write["sectors"].get<std::uint64_t>() - 1,
                            to_line(write["missing-sectors"]));
    }
    return text + "\n  what it wrote\n" + joined(write["hexdump"], "    ") +
           "  what is there\n" + joined(write["instead"], "    ");
}

std::string printed(const Ended& ended)
{
    std::string text;
    std::istringstream lines(ended.output);
    for (std::string line; std::getline(lines, line);) {
        text += "  " + tools::printable(line) + "\n";
    }
    switch (ended.how) {
    case Ended::How::exited: return text + fmt::format("  (exit status {})\n", ended.status);
    case Ended::How::killed: return text + fmt::format("  (killed by signal {})\n", ended.status);
    case Ended::How::timed_out: return text + "  (it took too long)\n";
    case Ended::How::interrupted: break;
    }
    return text;
}

Json torn_json(const State& state)
{
    Json list = Json::array();
    for (const Tear& tear : state.torn) {
        list.push_back({{"entry", tear.entry}, {"sectors", tear.sectors}});
    }
    return list;
}

Json missing_json(const Subject& subject, const State& state, std::size_t most)
{
    const auto lacking = subject.device(subject.timeline()->at(state));
    const std::uint64_t ss = subject.log().file->sector_size();
    Json list = Json::array();
    auto dropped = state.dropped.begin();
    auto torn = state.torn.begin();
    while (list.size() < most && (dropped != state.dropped.end() || torn != state.torn.end())) {
        const bool is_drop = torn == state.torn.end() ||
                             (dropped != state.dropped.end() && *dropped < torn->entry);
        const std::uint64_t entry = is_drop ? *dropped : torn->entry;
        const Record& record = subject.index()[entry];
        Json json = describe(subject, entry, is_drop ? "all" : "sectors");
        ByteRange range{record.offset, record.length};
        if (!is_drop) {
            const auto missing = others(torn->sectors, record.sectors);
            json["sectors"] = record.sectors;
            json["missing-sectors"] = missing;
            if (!missing.empty()) {
                const std::uint64_t begin =
                    std::max((record.sector + missing.front()) * ss, record.offset);
                range = {begin, std::min(begin + ss, record.offset + record.length) - begin};
            }
        }
        const State whole{entry + 1, {}, {}};
        add_bytes(json, *subject.device(subject.timeline()->at(whole)), *lacking, range);
        list.push_back(std::move(json));
        is_drop ? void(++dropped) : void(++torn);
    }
    return list;
}

}  // namespace resilience::nbdcrash
