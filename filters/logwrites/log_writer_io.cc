// SPDX-License-Identifier: BSD-3-Clause

// What the writer does outside its mutex: entries.

#include <array>
#include <cerrno>
#include <chrono>

#include "filters/logwrites/log_writer.h"

namespace resilience::logwrites {

using writelog::HeaderBytes;

namespace {

std::uint64_t hash_of(const LogItem& item)
{
    if (item.head.empty() && item.tail.empty()) {
        return writelog::hash_body(item.middle);
    }
    writelog::BodyHash hash;
    hash.add(item.head);
    hash.add(item.middle);
    hash.add(item.tail);
    return hash.value();
}

}  // namespace

int LogWriter::write_items(std::uint64_t position, std::span<LogItem> items)
{
    for (LogItem& item : items) {
        const std::uint64_t body = item.entry.log_sectors() * sector_size_ - sector_size_;
        if (!settings_.extension || !item.entry.extension) {
            item.entry.extension.reset();
        } else if (body != 0 && !item.hole) {
            item.entry.extension->body_hash = hash_of(item);
        }
        if (const int error = write_item(position, item)) {
            return error;
        }
        position += sector_size_;
        if (item.hole && body != 0) {
            if (const int error = storage_.write_hole(position, body)) {
                return error;
            }
        }
        position += body;
    }
    return 0;
}

/// Header and body with one write.
int LogWriter::write_item(std::uint64_t position, const LogItem& item)
{
    HeaderBytes header;
    writelog::encode(item.entry, header);
    std::array<iovec, 5> parts;
    std::size_t count = 0;
    const auto add = [&](std::span<const std::byte> bytes) {
        if (!bytes.empty()) {
            parts[count++] = {const_cast<std::byte*>(bytes.data()), bytes.size()};
        }
    };
    add(header);
    add({zeroes_.get(), sector_size_ - header.size()});
    if (!item.hole) {
        add(item.head);
        add(item.middle);
        add(item.tail);
    }
    return storage_.write(position, std::span(parts).first(count));
}

}  // namespace resilience::logwrites
