// SPDX-License-Identifier: BSD-3-Clause
#include "tools/nbdcrash/content.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "common/child/child_spec.h"
#include "common/core/compare.h"
#include "common/replay/state_device.h"
#include "tools/nbdcrash/tool_error.h"

namespace resilience::nbdcrash {

namespace {

using namespace writelog;

constexpr std::uint64_t piece_size = 1 << 20;
/// Zeroes within data become holes in units of this, as file systems have them.
constexpr std::uint64_t hole_size = 4096;
/// NBD servers take no larger zero than 32 bits, QEMU's none above 2 GiB.
constexpr std::uint64_t zero_size = 1 << 30;
constexpr auto stop_limit = std::chrono::seconds(10);

void append(std::vector<ByteRange>& ranges, const ByteRange& range)
{
    if (!ranges.empty() && ranges.back().end() == range.offset) {
        ranges.back().length += range.length;
    } else {
        ranges.push_back(range);
    }
}

void read(Device& device, std::uint64_t offset, std::span<std::byte> into)
{
    Request request;
    request.op = Op::read;
    request.offset = offset;
    request.length = into.size();
    request.into = into;
    require(device, request);
}

/// From `offset` on: how many bytes up to `end` are zeroes for sure, or are
/// not.
Extent extent_at(Device& device, std::uint64_t offset, std::uint64_t end)
{
    if (!device.capabilities().extents) {
        return {end - offset, false, false};
    }
    Request request;
    request.op = Op::extents;
    request.offset = offset;
    request.length = std::min(end - offset, zero_size);
    require(device, request);
    if (request.extents.empty()) {
        return {request.length, false, false};
    }
    Extent extent = request.extents.front();
    extent.length = std::min(extent.length, request.length);
    return extent;
}

/// Bytes of `a` and `b` at `offset`, in which they differ.
void compare_bytes(std::span<const std::byte> a, std::span<const std::byte> b,
                   std::uint64_t offset, std::vector<ByteRange>& differences)
{
    if (!first_difference(a, b)) {
        return;
    }
    for (std::uint64_t at = 0; at < a.size();) {
        const std::uint64_t to_sector = sector_size - (offset + at) % sector_size;
        const std::uint64_t length = std::min<std::uint64_t>(to_sector, a.size() - at);
        if (first_difference(a.subspan(at, length), b.subspan(at, length))) {
            append(differences, {offset + at, length});
        }
        at += length;
    }
}

/// Writes `bytes` to `offset`, but for the zeroes in it.
Copied write_sparse(Device& target, std::uint64_t offset, std::span<const std::byte> bytes,
                    bool was_zero)
{
    Copied copied;
    for (std::uint64_t at = 0; at < bytes.size();) {
        const auto length_at = [&](std::uint64_t from) {
            const std::uint64_t to_block = hole_size - (offset + from) % hole_size;
            return std::min<std::uint64_t>(to_block, bytes.size() - from);
        };
        // A run of blocks that are all zero, or all not.
        const bool zero = is_all_zero(bytes.subspan(at, length_at(at)));
        std::uint64_t end = at + length_at(at);
        while (end < bytes.size() && is_all_zero(bytes.subspan(end, length_at(end))) == zero) {
            end += length_at(end);
        }
        Request request;
        request.offset = offset + at;
        request.length = end - at;
        if (!zero) {
            request.op = Op::write;
            request.from = bytes.subspan(at, end - at);
            require(target, request);
            copied.data += request.length;
        } else if (!was_zero) {
            request.op = Op::zero;
            request.flags.may_trim = true;
            require(target, request);
            copied.zeroes += request.length;
        }
        at = end;
    }
    return copied;
}

bool same_source(const Piece& a, const Piece& b, bool has_base)
{
    const auto source = [&](const Piece& piece) {
        return piece.source == Source::base && !has_base ? Source::zero : piece.source;
    };
    return source(a) == source(b) &&
           (a.source != Source::log || a.position - a.offset == b.position - b.offset);
}

}  // namespace

OpenedDevice::OpenedDevice(const std::string& spec, bool writable)
{
    OpenOptions options;
    options.writable = writable;
    const std::string directory = std::filesystem::current_path().string();
    device_ = open_child(parse_child_spec(spec, directory), options);
    device_->start();
}

OpenedDevice& OpenedDevice::operator=(OpenedDevice&& other) noexcept
{
    if (this != &other) {
        close();
        device_ = std::move(other.device_);
    }
    return *this;
}

OpenedDevice::~OpenedDevice() { close(); }

void OpenedDevice::close()
{
    if (device_) {
        device_->stop(stop_limit);
        device_.reset();
    }
}

OpenedDevice open_base(const std::string& spec)
{
    return spec.empty() ? OpenedDevice() : OpenedDevice(spec, false);
}

std::shared_ptr<Device> state_device(const OpenedLog& log, const std::shared_ptr<Device>& base,
                                     ContentMap map, std::uint64_t size)
{
    return std::make_shared<StateDevice>(log.file, base, std::move(map), size, log.file->path());
}

void require(Device& device, Request& request)
{
    const int error = device.execute(request);
    if (error != 0) {
        throw ToolError(fmt::format("{}: {} of {} bytes at byte {}: {}", device.describe(),
                                    to_string(request.op), request.length, request.offset,
                                    std::strerror(error)));
    }
}

void check_bodies(const OpenedLog& log, const ContentMap& map)
{
    const auto& records = log.index->records();
    std::set<std::uint64_t> entries;
    for (const Piece& piece : map.pieces()) {
        if (piece.source != Source::log) {
            continue;
        }
        // A piece can go over several entries only if their bodies touch, and
        // there is always a header between.
        const auto behind = std::ranges::upper_bound(records, piece.position, {},
                                                     &Record::position);
        entries.insert(static_cast<std::uint64_t>(behind - records.begin()) - 1);
    }
    for (const std::uint64_t entry : entries) {
        if (!body_is_intact(*log.file, records[entry])) {
            throw LogError(fmt::format("{}: entry {} at byte {}: its body does not match its "
                                       "checksum",
                                       log.file->path(), entry, records[entry].position));
        }
    }
}

std::vector<ByteRange> changed_ranges(const ContentMap& a, const ContentMap& b,
                                      std::uint64_t size, bool has_base)
{
    std::vector<ByteRange> changed;
    const std::vector<Piece> first = a.pieces(0, size);
    const std::vector<Piece> second = b.pieces(0, size);
    auto one = first.begin();
    auto two = second.begin();
    std::uint64_t at = 0;
    while (one != first.end() && two != second.end()) {
        const std::uint64_t end = std::min(one->end(), two->end());
        if (!same_source(*one, *two, has_base)) {
            append(changed, {at, end - at});
        }
        at = end;
        one += one->end() == end ? 1 : 0;
        two += two->end() == end ? 1 : 0;
    }
    return changed;
}

std::vector<ByteRange> compare(Device& a, Device& b, const ByteRange& range,
                               const std::function<void(std::uint64_t)>& progress)
{
    std::vector<ByteRange> differences;
    std::vector<std::byte> first(piece_size);
    std::vector<std::byte> second(piece_size);
    std::uint64_t at = range.offset;
    Extent left;
    Extent right;
    while (at < range.end()) {
        left = left.length == 0 ? extent_at(a, at, range.end()) : left;
        right = right.length == 0 ? extent_at(b, at, range.end()) : right;
        std::uint64_t length = std::min(left.length, right.length);
        if (!left.zero || !right.zero) {
            length = std::min(length, piece_size);
            const auto bytes_a = std::span(first).first(length);
            const auto bytes_b = std::span(second).first(length);
            read(a, at, bytes_a);
            read(b, at, bytes_b);
            compare_bytes(bytes_a, bytes_b, at, differences);
        }
        at += length;
        left.length -= length;
        right.length -= length;
        progress(length);
    }
    return differences;
}

Copied copy(Device& source, Device& target, const ByteRange& range, bool was_zero,
            const std::function<void(std::uint64_t)>& progress)
{
    Copied copied;
    std::vector<std::byte> buffer(piece_size);
    std::uint64_t at = range.offset;
    while (at < range.end()) {
        const Extent extent = extent_at(source, at, range.end());
        const std::uint64_t end = at + extent.length;
        while (at < end) {
            Request request;
            request.op = Op::zero;
            request.flags.may_trim = true;
            request.offset = at;
            request.length = std::min(end - at, extent.zero ? zero_size : piece_size);
            if (!extent.zero) {
                const auto bytes = std::span(buffer).first(request.length);
                read(source, at, bytes);
                const Copied now = write_sparse(target, at, bytes, was_zero);
                copied.data += now.data;
                copied.zeroes += now.zeroes;
            } else if (!was_zero) {
                require(target, request);
                copied.zeroes += request.length;
            }
            at += request.length;
            progress(request.length);
        }
    }
    return copied;
}

}  // namespace resilience::nbdcrash
