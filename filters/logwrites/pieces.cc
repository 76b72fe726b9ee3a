// SPDX-License-Identifier: BSD-3-Clause
#include "filters/logwrites/pieces.h"

#include <algorithm>

namespace resilience::logwrites {

using writelog::Entry;
using writelog::Kind;

namespace {

std::uint64_t down(std::uint64_t value, const Geometry& geometry)
{
    return value / geometry.sector_size * geometry.sector_size;
}

std::uint64_t up(std::uint64_t value, const Geometry& geometry)
{
    return down(value + geometry.sector_size - 1, geometry);
}

int read(Device& device, std::uint64_t begin, std::uint64_t end, std::span<std::byte> into)
{
    if (begin >= end) {
        return 0;
    }
    Request request;
    request.op = Op::read;
    request.offset = begin;
    request.length = end - begin;
    request.into = into.first(request.length);
    return device.execute(request);
}

Kind kind_of(const Request& request)
{
    switch (request.op) {
    case Op::zero: return request.flags.may_trim ? Kind::zero_unmap : Kind::zero;
    case Op::trim: return Kind::trim;
    default: return Kind::write;
    }
}

/// The entry for [begin, end), which is what the request changes there.
Entry entry_of(std::uint64_t begin, std::uint64_t end, Kind kind, const Request& request,
               const Geometry& geometry, std::uint32_t connection)
{
    Entry entry;
    entry.sector = begin / geometry.sector_size;
    entry.sectors = up(end, geometry) / geometry.sector_size - entry.sector;
    if (kind == Kind::trim) {
        entry.flags |= writelog::flag_discard;
    }
    if (request.flags.fua) {
        entry.flags |= writelog::flag_fua;
    }
    auto& extension = entry.extension.emplace();
    extension.kind = kind;
    extension.fua = request.flags.fua;
    extension.offset = begin;
    extension.length = end - begin;
    extension.connection = connection;
    return entry;
}

/// Collects the entries of a zero or trim.
class Splitter {
public:
    Splitter(const Request& request, const Padding& padding, std::span<const std::byte> zeroes,
             const Geometry& geometry, std::uint32_t connection)
        : request_(request), padding_(padding), zeroes_(zeroes), geometry_(geometry),
          connection_(connection), limit_(request.op == Op::trim ? writelog::largest_discard
                                                                 : writelog::largest_body)
    {
    }

    std::vector<LogItem> run()
    {
        const std::uint64_t begin = request_.offset;
        const std::uint64_t end = request_.end();
        const std::uint64_t first = up(begin, geometry_);
        // A zero up to the end of the device covers its last sector; a discard
        // must not go beyond.
        const bool covers_last = request_.op == Op::zero && end == geometry_.device_size;
        const std::uint64_t last = covers_last ? up(end, geometry_) : down(end, geometry_);
        if (first > last) {
            part(begin, end);  // inside one sector
        } else {
            part(begin, std::min(first, end));
            whole(first, last, end);
            part(last, end);
        }
        items_.front().entry.extension->first = true;
        items_.back().entry.extension->last = true;
        return std::move(items_);
    }

private:
    void part(std::uint64_t begin, std::uint64_t end)
    {
        if (begin >= end) {
            return;
        }
        LogItem item;
        item.entry = entry_of(begin, end, Kind::write, request_, geometry_, connection_);
        if (begin == request_.offset) {
            item.head = padding_.head;
        }
        item.middle = zeroes_.first(end - begin);
        if (end == request_.end()) {
            item.tail = padding_.tail;
        }
        add(std::move(item));
    }

    /// Whole sectors; `end` is where the request ends, which may be before the
    /// end of the last sector.
    void whole(std::uint64_t begin, std::uint64_t last, std::uint64_t end)
    {
        while (begin < last) {
            const std::uint64_t stop = std::min(begin + limit_, last);
            LogItem item;
            item.entry = entry_of(begin, std::min(stop, end), kind_of(request_), request_,
                                  geometry_, connection_);
            item.hole = request_.op == Op::zero;
            add(std::move(item));
            begin = stop;
        }
    }

    void add(LogItem item)
    {
        item.entry.extension->first = false;
        item.entry.extension->last = false;
        items_.push_back(std::move(item));
    }

    const Request& request_;
    const Padding& padding_;
    const std::span<const std::byte> zeroes_;
    const Geometry& geometry_;
    const std::uint32_t connection_;
    const std::uint64_t limit_;
    std::vector<LogItem> items_;
};

}  // namespace

int read_padding(Device& device, std::uint64_t begin, std::uint64_t end,
                 std::uint32_t sector_size, Padding& padding)
{
    const std::uint64_t head = begin % sector_size;
    const std::uint64_t tail = (sector_size - end % sector_size) % sector_size;
    if (head == 0 && tail == 0) {
        return 0;
    }
    padding.memory = take_buffer(head + tail);
    const auto memory = padding.memory.span();
    std::ranges::fill(memory, std::byte{0});
    padding.head = memory.first(head);
    padding.tail = memory.subspan(head, tail);
    if (const int error = read(device, begin - head, begin, memory.first(head))) {
        return error;
    }
    return read(device, end, std::min(end + tail, device.size()), memory.subspan(head, tail));
}

std::vector<LogItem> split(const Request& request, const Padding& padding,
                           std::span<const std::byte> zeroes, const Geometry& geometry,
                           std::uint32_t connection)
{
    return Splitter(request, padding, zeroes, geometry, connection).run();
}

LogItem write_item(const Request& request, const Padding& padding, const Geometry& geometry,
                   std::uint32_t connection)
{
    LogItem item;
    item.entry = entry_of(request.offset, request.end(), Kind::write, request, geometry,
                          connection);
    item.head = padding.head;
    item.middle = request.from;
    item.tail = padding.tail;
    return item;
}

std::uint64_t first_byte(const Request& request, const Geometry& geometry)
{
    return down(request.offset, geometry);
}

std::uint64_t last_byte(const Request& request, const Geometry& geometry)
{
    return up(request.end(), geometry);
}

}  // namespace resilience::logwrites
