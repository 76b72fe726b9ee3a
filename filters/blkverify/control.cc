// SPDX-License-Identifier: BSD-3-Clause
#include "filters/blkverify/control.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "common/control/json.h"

namespace resilience::blkverify {

namespace {

constexpr std::array all_operations = {Op::read, Op::write, Op::zero,   Op::trim,
                                       Op::flush, Op::cache, Op::extents};
constexpr std::size_t bytes_per_line = 8;

std::string result_text(int error)
{
    return error == 0 ? "success" : std::strerror(error);
}

std::string time_text(std::chrono::system_clock::time_point time)
{
    const auto milliseconds =
        std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
    return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z",
                       fmt::gmtime(static_cast<std::time_t>(milliseconds / 1000)),
                       milliseconds % 1000);
}

/// In microseconds; null where nothing was measured.
Json quantile_us(const LatencyHistogram& histogram, double share)
{
    const auto time = histogram.quantile(share);
    if (!time) {
        return nullptr;
    }
    return std::chrono::ceil<std::chrono::microseconds>(*time).count();
}

Json describe(Op op, const OperationStatistics& s)
{
    Json row{{"operation", std::string(to_string(op))},
             {"requests", s.requests.load()},
             {"compared", s.compared.load()},
             {"not-comparable", s.not_comparable.load()},
             {"mismatches", s.mismatches.load()},
             {"test-errors", s.test_errors.load()},
             {"reference-errors", s.reference_errors.load()}};
    row["test-p50-us"] = quantile_us(s.test_time, 0.5);
    row["test-p99-us"] = quantile_us(s.test_time, 0.99);
    row["reference-p50-us"] = quantile_us(s.reference_time, 0.5);
    row["reference-p99-us"] = quantile_us(s.reference_time, 0.99);
    return row;
}

Json describe(const Reference& reference)
{
    Json result{{"spec", reference.device().describe()},
                {"state", reference.present() ? "present" : "away"}};
    if (const std::string reason = reference.away_reason(); !reason.empty()) {
        result["reason"] = reason;
    }
    result["owed-answers"] = reference.in_flight();
    result["times-lost"] = reference.times_lost();
    result["untrusted-bytes"] = reference.untrusted_bytes();
    return result;
}

Json query_status(VerifyDevice& device)
{
    const Options& options = device.options();
    Json operations = Json::array();
    for (const Op op : all_operations) {
        operations.push_back(describe(op, device.statistics().of(op)));
    }
    return {{"name", options.name},
            {"size", device.size()},
            {"on-mismatch", std::string(to_string(options.on_mismatch))},
            {"sample", options.sample},
            {"read-only", options.read_only},
            {"timeout-ms", options.timeout.count()},
            {"mismatches", device.mismatches().total()},
            {"compared-bytes", device.statistics().of(Op::read).compared_bytes.load()},
            {"not-sampled", device.statistics().of(Op::read).not_sampled.load()},
            {"reference", describe(device.reference())},
            {"operations", operations}};
}

std::string hex(std::span<const std::byte> bytes)
{
    std::string text;
    for (const std::byte byte : bytes) {
        text += fmt::format("{}{:02x}", text.empty() ? "" : " ", std::to_integer<unsigned>(byte));
    }
    return text;
}

std::string printable(std::span<const std::byte> bytes)
{
    std::string text;
    for (const std::byte byte : bytes) {
        const auto c = std::to_integer<char>(byte);
        text += c >= 0x20 && c < 0x7f ? c : '.';
    }
    return text;
}

/// Side by side, a line for each eight bytes of the device.
Json dump(const Mismatch& mismatch)
{
    Json lines = Json::array();
    const std::span<const std::byte> test(mismatch.test_dump);
    const std::span<const std::byte> reference(mismatch.reference_dump);
    for (std::size_t at = 0; at < test.size();) {
        const std::uint64_t offset = mismatch.dump_offset + at;
        const std::size_t length =
            std::min<std::uint64_t>(bytes_per_line - offset % bytes_per_line, test.size() - at);
        const auto left = test.subspan(at, length);
        const auto right = reference.subspan(at, length);
        const bool equal = std::equal(left.begin(), left.end(), right.begin());
        lines.push_back({{"offset", fmt::format("{:#x}", offset)},
                         {"test", hex(left)},
                         {"reference", hex(right)},
                         {"differs", equal ? "" : "*"},
                         {"test-text", printable(left)},
                         {"reference-text", printable(right)}});
        at += length;
    }
    return lines;
}

Json describe(const Change& change)
{
    return {{"time", time_text(change.time)},
            {"operation", std::string(to_string(change.op))},
            {"offset", change.range.begin},
            {"length", change.range.length()},
            {"connection", change.connection},
            {"test", result_text(change.test)},
            {"reference", change.reference ? result_text(*change.reference) : "no answer"}};
}

Json describe(const Mismatch& mismatch)
{
    Json result{{"number", mismatch.number},
                {"time", time_text(mismatch.time)},
                {"message", qemu_text(mismatch)},
                {"operation", std::string(to_string(mismatch.op))},
                {"kind", std::string(to_string(mismatch.kind))},
                {"offset", mismatch.range.begin},
                {"length", mismatch.range.length()},
                {"connection", mismatch.connection}};
    if (mismatch.kind == Kind::contents) {
        result["position"] = mismatch.position;
        result["differing-bytes"] = mismatch.differing_bytes;
        result["differing-sectors"] = mismatch.differing_sectors;
        result["dump"] = dump(mismatch);
    } else {
        result["test"] = result_text(mismatch.test);
        result["reference"] = result_text(mismatch.reference);
    }
    result["history"] = Json::array();
    for (const Change& change : mismatch.history) {
        result["history"].push_back(describe(change));
    }
    return result;
}

std::string times_text(const LatencyHistogram& histogram)
{
    if (histogram.count() == 0) {
        return "-";
    }
    const auto us = [&](double share) {
        return std::chrono::ceil<std::chrono::microseconds>(*histogram.quantile(share)).count();
    };
    return fmt::format("{}/{} us", us(0.5), us(0.99));
}

}  // namespace

void add_commands(CommandTable& table, VerifyDevice& device)
{
    table.add("query-status", "counts and times of each operation, and how the reference is", {},
              [&device](const Json&) { return query_status(device); });
    table.add("query-mismatches",
              "where the two sides differed: the first ones and the newest, with data and history",
              {{"number", ArgumentType::integer, false, "this one only"}},
              [&device](const Json& arguments) {
                  Json list = Json::array();
                  for (const Mismatch& mismatch : device.mismatches().kept()) {
                      if (!arguments.contains("number") ||
                          arguments["number"] == mismatch.number) {
                          list.push_back(describe(mismatch));
                      }
                  }
                  return list;
              });
    table.add("clear-mismatches", "forget the mismatches that are kept; they stay counted", {},
              [&device](const Json&) {
                  device.mismatches().clear();
                  return Json::object();
              });
}

std::vector<std::string> summary(VerifyDevice& device)
{
    const std::string& name = device.options().name;
    const Reference& reference = device.reference();
    const OperationStatistics& reads = device.statistics().of(Op::read);
    std::vector<std::string> lines;
    lines.push_back(fmt::format(
        "{}: {} mismatches; {} bytes were read and compared, {} reads were not sampled", name,
        device.mismatches().total(), reads.compared_bytes.load(), reads.not_sampled.load()));
    for (const Op op : {Op::read, Op::write, Op::zero, Op::trim, Op::flush}) {
        const OperationStatistics& s = device.statistics().of(op);
        if (s.requests == 0) {
            continue;
        }
        lines.push_back(fmt::format(
            "{}: {}: {} requests, {} compared, {} not comparable, {} mismatches; p50/p99 of the "
            "device under test {}, of the reference {}",
            name, to_string(op), s.requests.load(), s.compared.load(), s.not_comparable.load(),
            s.mismatches.load(), times_text(s.test_time), times_text(s.reference_time)));
    }
    if (const std::uint64_t untrusted = reference.untrusted_bytes();
        untrusted != 0 || reference.times_lost() != 0) {
        lines.push_back(fmt::format(
            "{}: the reference was lost {} times, and {} bytes of it cannot be relied on: copy the "
            "device to it again before it is used the next time",
            name, reference.times_lost(), untrusted));
    }
    return lines;
}

}  // namespace resilience::blkverify
