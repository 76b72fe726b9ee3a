// SPDX-License-Identifier: BSD-3-Clause
#include "common/replay/index_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <limits>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

#include "common/core/log.h"

namespace resilience::writelog {
namespace {

// The header and the records stand in the file as in memory, so an index is
// only used on little-endian machines; others walk the log each time.
constexpr bool usable = std::endian::native == std::endian::little;

constexpr std::uint64_t index_magic = 0x31584449'5344424e;  // "NBDSIDX1"
constexpr std::uint64_t samples = 16;

/// What tells this log from any other, and from itself at another time.
struct Identity {
    std::uint64_t size = 0;       ///< bytes
    std::uint64_t changed_ns = 0; ///< since 1970: the time of change
    std::uint64_t entries = 0;    ///< the superblock's count
    std::uint64_t sector_size = 0;
    std::uint64_t sample = 0;     ///< hash of some headers: times are coarse

    friend bool operator==(const Identity&, const Identity&) = default;
};

struct FileHeader {
    std::uint64_t magic = index_magic;
    Identity identity;
    std::uint64_t end_position = 0;
    std::uint64_t records = 0;
    std::uint64_t marks = 0;
    std::uint64_t text_bytes = 0;  ///< of all marks' names
    std::uint64_t hash = 0;        ///< of all that follows the header
};
static_assert(sizeof(FileHeader) == 88 && std::is_trivially_copyable_v<FileHeader>);

/// A mark's place in the texts.
struct MarkRecord {
    std::uint64_t entry = 0;
    std::uint64_t length = 0;
};
static_assert(sizeof(MarkRecord) == 16);
static_assert(std::is_trivially_copyable_v<Record>);

std::optional<struct stat> status_of(int fd)
{
    struct stat status = {};
    if (::fstat(fd, &status) == -1 || !S_ISREG(status.st_mode)) {
        return std::nullopt;
    }
    return status;
}

/// Of the log's last header and of some on the way there.
std::uint64_t sample_of(const LogFile& log, const std::vector<Record>& records)
{
    BodyHash hash;
    HeaderBytes bytes;
    const auto head = std::span(bytes).first(std::min<std::size_t>(log.sector_size(), bytes.size()));
    for (std::uint64_t i = 1; i <= samples && !records.empty(); i++) {
        const Record& record = records[(records.size() * i - 1) / samples];
        if (log.read_or_errno(record.position, head) != 0) {
            return 0;
        }
        hash.add(head);
    }
    return hash.value();
}

std::optional<Identity> identity_of(const LogFile& log, const std::vector<Record>& records)
{
    if (!status_of(log.fd())) {
        return std::nullopt;
    }
    Identity identity;
    identity.size = log.size();
    identity.changed_ns = log.changed_ns();
    identity.entries = log.super().entries;
    identity.sector_size = log.sector_size();
    identity.sample = sample_of(log, records);
    return identity;
}

template <typename T>
std::span<const std::byte> bytes_of(const std::vector<T>& values)
{
    return std::as_bytes(std::span(values));
}

// ---- reading ----------------------------------------------------------------

bool read_whole(int fd, std::span<std::byte> into)
{
    while (!into.empty()) {
        const ssize_t n = ::read(fd, into.data(), into.size());
        if (n == -1 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        into = into.subspan(static_cast<std::size_t>(n));
    }
    return true;
}

/// The numbers of a header fit the file that it stands in.
bool fits(const FileHeader& header, std::uint64_t file_size)
{
    const std::uint64_t body = file_size - sizeof header;
    if (header.records > body / sizeof(Record) || header.marks > body / sizeof(MarkRecord) ||
        header.text_bytes > body) {
        return false;
    }
    return header.records * sizeof(Record) + header.marks * sizeof(MarkRecord) +
               header.text_bytes == body;
}

std::optional<std::vector<Mark>> take_marks(const std::vector<MarkRecord>& places,
                                            const std::vector<char>& texts,
                                            std::uint64_t records)
{
    std::vector<Mark> marks;
    std::uint64_t at = 0;
    for (const MarkRecord& place : places) {
        if (place.length > texts.size() - at || place.entry >= records) {
            return std::nullopt;
        }
        marks.push_back({place.entry, std::string(texts.data() + at, place.length)});
        at += place.length;
    }
    return marks;
}

/// Nothing if there is no index, or not of this log as it is now.
std::shared_ptr<const LogIndex> read_index(const LogFile& log)
{
    const UniqueFd fd(::open(index_path(log.path()).c_str(),
                             O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    const auto status = fd ? status_of(fd.get()) : std::nullopt;
    FileHeader header;
    if (!status || static_cast<std::uint64_t>(status->st_size) < sizeof header ||
        !read_whole(fd.get(), std::as_writable_bytes(std::span(&header, 1))) ||
        header.magic != index_magic ||
        !fits(header, static_cast<std::uint64_t>(status->st_size))) {
        return nullptr;
    }
    std::vector<Record> records(header.records);
    std::vector<MarkRecord> places(header.marks);
    std::vector<char> texts(header.text_bytes);
    if (!read_whole(fd.get(), std::as_writable_bytes(std::span(records))) ||
        !read_whole(fd.get(), std::as_writable_bytes(std::span(places))) ||
        !read_whole(fd.get(), std::as_writable_bytes(std::span(texts)))) {
        return nullptr;
    }
    BodyHash hash;
    hash.add(bytes_of(records));
    hash.add(bytes_of(places));
    hash.add(bytes_of(texts));
    auto marks = take_marks(places, texts, header.records);
    if (hash.value() != header.hash || !marks || identity_of(log, records) != header.identity) {
        return nullptr;
    }
    return std::make_shared<LogIndex>(std::move(records), std::move(*marks), header.end_position,
                                      std::nullopt);
}

// ---- writing ----------------------------------------------------------------

bool write_whole(int fd, std::span<const std::byte> from)
{
    while (!from.empty()) {
        const ssize_t n = ::write(fd, from.data(), from.size());
        if (n == -1 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        from = from.subspan(static_cast<std::size_t>(n));
    }
    return true;
}

bool write_parts(int fd, const FileHeader& header, const LogIndex& index,
                 const std::vector<MarkRecord>& places, const std::vector<char>& texts)
{
    return write_whole(fd, std::as_bytes(std::span(&header, 1))) &&
           write_whole(fd, bytes_of(index.records())) && write_whole(fd, bytes_of(places)) &&
           write_whole(fd, bytes_of(texts));
}

/// Writes the file under another name first: somebody may be reading it.
void write_index(const LogFile& log, const LogIndex& index)
{
    const auto identity = identity_of(log, index.records());
    if (!identity) {
        return;
    }
    // What changed while we walked we may have seen before or after: a recorder
    // puts a flush where a mark was.
    if (time_of_change(log.fd()) != log.changed_ns()) {
        log::debug("{}: no index is kept: the log has changed meanwhile", log.path());
        return;
    }
    std::vector<MarkRecord> places;
    std::vector<char> texts;
    for (const Mark& mark : index.marks()) {
        places.push_back({mark.entry, mark.name.size()});
        texts.insert(texts.end(), mark.name.begin(), mark.name.end());
    }
    FileHeader header;
    header.identity = *identity;
    header.end_position = index.end_position();
    header.records = index.size();
    header.marks = places.size();
    header.text_bytes = texts.size();
    BodyHash hash;
    hash.add(bytes_of(index.records()));
    hash.add(bytes_of(places));
    hash.add(bytes_of(texts));
    header.hash = hash.value();

    const std::string path = index_path(log.path());
    std::string temporary = path + ".XXXXXX";
    const UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
    if (!fd) {
        log::debug("{}: no index is kept: {}", path, std::strerror(errno));
        return;
    }
    constexpr mode_t mode = 0644;  // no more than what the log itself tells
    const auto status = status_of(log.fd());
    ::fchmod(fd.get(), status ? status->st_mode & mode : mode);
    if (!write_parts(fd.get(), header, index, places, texts) ||
        std::rename(temporary.c_str(), path.c_str()) == -1) {
        log::debug("{}: no index is kept: {}", path, std::strerror(errno));
        ::unlink(temporary.c_str());
    }
}

}  // namespace

std::string index_path(const std::string& log_path) { return log_path + ".idx"; }

std::shared_ptr<const LogIndex> load_index(const LogFile& log)
{
    if (usable) {
        if (auto index = read_index(log)) {
            return index;
        }
    }
    auto index = std::make_shared<LogIndex>(LogIndex::scan(log));
    if (usable && !index->damage()) {
        write_index(log, *index);
    }
    return index;
}

}  // namespace resilience::writelog
