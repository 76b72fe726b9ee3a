// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Makes small dm-log-writes logs, entry by entry, for the tests of what reads
// them.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/format/dm_log_writes.h"
#include "common/replay/log_file.h"
#include "common/replay/log_index.h"

namespace log_test {

using namespace resilience::writelog;
using Bytes = std::vector<std::byte>;

class LogBuilder {
public:
    explicit LogBuilder(std::uint32_t sector_size = 512) : sector_size_(sector_size) {}

    /// With our extensions from here on.
    LogBuilder& extended(std::uint32_t log_id = 77)
    {
        log_id_ = log_id;
        return *this;
    }

    /// A body of whole sectors, each byte `fill`.
    LogBuilder& write(std::uint64_t sector, std::uint64_t sectors, unsigned char fill,
                      std::uint64_t flags = 0)
    {
        return write(sector, Bytes(sectors * sector_size_, std::byte{fill}), flags);
    }
    LogBuilder& write(std::uint64_t sector, const Bytes& body, std::uint64_t flags = 0)
    {
        return add({sector, body.size() / sector_size_, flags}, Kind::write, body);
    }
    /// Only bytes [offset, offset + length) of it are what the client wrote.
    LogBuilder& write_part(std::uint64_t sector, const Bytes& body, std::uint64_t offset,
                           std::uint64_t length)
    {
        part_ = {offset, length};
        return write(sector, body);
    }
    /// The next entry was issued and completed then: with others in between.
    LogBuilder& at(std::uint64_t issued, std::uint64_t completed)
    {
        times_ = {issued, completed};
        return *this;
    }
    LogBuilder& zero(std::uint64_t sector, std::uint64_t sectors)
    {
        return add({sector, sectors, 0}, Kind::zero, Bytes(sectors * sector_size_));
    }
    LogBuilder& discard(std::uint64_t sector, std::uint64_t sectors)
    {
        return add({sector, sectors, flag_discard}, Kind::trim, {});
    }
    LogBuilder& flush() { return add({0, 0, flag_flush}, Kind::flush, {}); }
    LogBuilder& mark(const std::string& name)
    {
        Entry entry{0, 0, flag_mark, name.size(), name};
        return add(entry, Kind::mark, {});
    }
    LogBuilder& add(Entry entry, Kind kind, const Bytes& body)
    {
        if (log_id_) {
            EntryExtension extension;
            extension.kind = kind;
            extension.fua = entry.is_fua();
            extension.issued = times_ ? times_->first : ++sequence_;
            extension.completed = times_ ? times_->second : ++sequence_;
            sequence_ = std::max(sequence_, extension.completed);
            extension.offset = part_ ? part_->first : entry.sector * sector_size_;
            extension.length = part_ ? part_->second : entry.sectors * sector_size_;
            extension.log_id = *log_id_;
            extension.body_hash = kind == Kind::write ? hash_body(body) : 0;
            entry.extension = extension;
        }
        part_.reset();
        times_.reset();
        HeaderBytes header;
        encode(entry, header);
        Bytes sector(sector_size_);
        std::ranges::copy(header, sector.begin());
        log_.insert(log_.end(), sector.begin(), sector.end());
        log_.insert(log_.end(), body.begin(), body.end());
        entries_++;
        return *this;
    }
    /// What the superblock says, if that is to be something else.
    LogBuilder& count(std::uint64_t entries)
    {
        counted_ = entries;
        return *this;
    }

    Bytes bytes() const
    {
        Superblock super;
        super.entries = counted_.value_or(entries_);
        super.sector_size = sector_size_;
        if (log_id_) {
            super.extension = SuperExtension{1 << 20, 1, *log_id_, "test"};
        }
        HeaderBytes head;
        encode(super, head);
        Bytes result(sector_size_);
        std::ranges::copy(head, result.begin());
        result.insert(result.end(), log_.begin(), log_.end());
        return result;
    }

private:
    const std::uint32_t sector_size_;
    std::optional<std::uint32_t> log_id_;
    std::optional<std::pair<std::uint64_t, std::uint64_t>> part_;
    std::optional<std::pair<std::uint64_t, std::uint64_t>> times_;
    std::optional<std::uint64_t> counted_;
    std::uint64_t entries_ = 0;
    std::uint64_t sequence_ = 0;
    Bytes log_;
};

inline void write_file(const std::string& path, const Bytes& bytes)
{
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
}

}  // namespace log_test
