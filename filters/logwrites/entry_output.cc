// SPDX-License-Identifier: BSD-3-Clause
#include "filters/logwrites/entry_output.h"

#include <array>
#include <cerrno>
#include <new>

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

template <typename Function>
int without_exceptions(Function function) noexcept
try {
    return function();
} catch (const std::bad_alloc&) {
    return ENOMEM;
} catch (...) {
    return EIO;
}

}  // namespace

EntryOutput::EntryOutput(LogStorage& storage, std::uint32_t sector_size, bool extension)
    : storage_(storage), sector_size_(sector_size), extension_(extension),
      zeroes_(std::make_unique<std::byte[]>(sector_size))
{
}

int EntryOutput::write(std::uint64_t position, std::span<LogItem> items) noexcept
{
    return without_exceptions([&] {
        for (LogItem& item : items) {
            if (const int error = write_item(position, item)) {
                return error;
            }
            position += item.entry.log_sectors() * sector_size_;
        }
        return 0;
    });
}

int EntryOutput::write(const writelog::Superblock& super) noexcept
{
    return without_exceptions([&] {
        HeaderBytes header;
        writelog::encode(super, header);
        return write_sector(0, header, nullptr);
    });
}

int EntryOutput::sync() noexcept
{
    return without_exceptions([&] { return storage_.sync(); });
}

int EntryOutput::write_item(std::uint64_t position, LogItem& item)
{
    const std::uint64_t body = item.entry.log_sectors() * sector_size_ - sector_size_;
    if (!extension_ || !item.entry.extension) {
        item.entry.extension.reset();
    } else if (body != 0 && !item.hole) {
        item.entry.extension->body_hash = hash_of(item);
    }
    HeaderBytes header;
    writelog::encode(item.entry, header);
    const int error = write_sector(position, header, item.hole ? nullptr : &item);
    return error == 0 && item.hole && body != 0
               ? storage_.write_hole(position + sector_size_, body)
               : error;
}

int EntryOutput::write_sector(std::uint64_t position, std::span<const std::byte> header,
                              const LogItem* item)
{
    std::array<iovec, 5> parts;
    std::size_t count = 0;
    const auto add = [&](std::span<const std::byte> bytes) {
        if (!bytes.empty()) {
            parts[count++] = {const_cast<std::byte*>(bytes.data()), bytes.size()};
        }
    };
    add(header);
    add({zeroes_.get(), sector_size_ - header.size()});
    if (item != nullptr) {
        add(item->head);
        add(item->middle);
        add(item->tail);
    }
    return storage_.write(position, std::span(parts).first(count));
}

}  // namespace resilience::logwrites
