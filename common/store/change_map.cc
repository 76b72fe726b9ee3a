// SPDX-License-Identifier: BSD-3-Clause
#include "common/store/change_map.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "common/core/random_id.h"
#include "common/store/durable_file.h"

namespace resilience {

namespace {

using namespace changemap;

[[noreturn]] void fail(const std::string& path, const std::string& what)
{
    throw SetupError(fmt::format("the bitmap '{}' {}", path, what));
}

[[noreturn]] void fail_damaged(const std::string& path, const std::string& what)
{
    fail(path, fmt::format("is damaged: {}.  What the other side missed cannot be known any more: "
                           "remove the file to have everything copied again",
                           what));
}

/// All bits, sector by sector: a hole in a map is damage and nothing else.
int write_full(int fd, const Header& header)
{
    std::uint64_t granules = count_granules(header.device_size, header.granularity);
    const std::uint64_t sectors = count_sectors(granules);
    for (unsigned slot = 0; slot < 2; slot++) {
        if (const int error =
                write_fully(fd, encode_header(header, slot + 1, slot), slot * sector_bytes)) {
            return error;
        }
    }
    for (std::uint64_t index = 0; index < sectors; index++) {
        Bits bits;
        for (std::uint64_t& word : bits.words) {
            const std::uint64_t here = std::min<std::uint64_t>(granules, 64);
            word = here == 64 ? ~0ULL : (1ULL << here) - 1;
            granules -= here;
        }
        if (const int error =
                write_fully(fd, encode_bits(bits, header.id, index), sector_offset(index))) {
            return error;
        }
    }
    return fsync(fd) == 0 ? 0 : errno;
}

/// Under another name first, so that it is there whole or not at all.
void create(const std::string& path, const Header& header)
{
    const std::string temporary = path + ".tmp";
    const UniqueFd fd(::open(temporary.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!fd) {
        fail(path, fmt::format("cannot be made ('{}': {})", temporary, std::strerror(errno)));
    }
    int error = write_full(fd.get(), header);
    if (error == 0 && rename(temporary.c_str(), path.c_str()) != 0) {
        error = errno;
    }
    if (error == 0) {
        error = sync_folder_of(path);
    }
    if (error != 0) {
        unlink(temporary.c_str());
        fail(path, fmt::format("cannot be written: {}", std::strerror(error)));
    }
}

UniqueFd open_locked(const std::string& path)
{
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    if (!fd) {
        if (errno == ENOENT) {
            return fd;
        }
        fail(path, fmt::format("cannot be opened: {}", std::strerror(errno)));
    }
    struct stat status = {};
    if (fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
        fail(path, "is not a regular file");
    }
    if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        fail(path, "is in use by another process");
    }
    return fd;
}

std::uint64_t group_bit(std::uint64_t word_in_sector)
{
    return 1ULL << (word_in_sector / words_per_group);
}

}  // namespace

ChangeMap::ChangeMap(std::uint64_t size, std::uint32_t granularity)
    : bits_(size, granularity),
      sectors_(count_sectors(count_granules(size, granularity)))
{
    header_.granularity = granularity;
    header_.device_size = size;
    bits_.set_all();
}

ChangeMap::ChangeMap(const std::string& path, UniqueFd fd, const Header& header)
    : path_(path), fd_(std::move(fd)), header_(header),
      bits_(header.device_size, header.granularity),
      sectors_(count_sectors(count_granules(header.device_size, header.granularity)))
{
}

ChangeMap::~ChangeMap()
{
    close();
}

std::unique_ptr<ChangeMap> ChangeMap::open(const std::string& path, std::uint64_t size,
                                           std::uint32_t granularity, const Uuid& boot_id)
{
    UniqueFd fd = open_locked(path);
    const bool existed = static_cast<bool>(fd);
    if (!existed) {
        Header header;
        header.granularity = granularity;
        header.device_size = size;
        header.id = random_id();
        header.clean = true;
        create(path, header);
        fd = open_locked(path);
    }
    std::array<std::byte, 2 * sector_bytes> bytes;
    std::size_t got = 0;
    if (const int error = read_fully(fd.get(), bytes, 0, got)) {
        fail(path, fmt::format("cannot be read: {}", std::strerror(error)));
    }
    std::unique_ptr<ChangeMap> map;
    try {
        std::uint64_t generation = 0;
        unsigned slot = 0;
        const Header header = decode_header(std::span(bytes).first(got), generation, slot);
        if (header.device_size != size) {
            fail(path, fmt::format("is of a disk of {} bytes, this one has {}; remove the file to "
                                   "start again with everything to be copied",
                                   header.device_size, size));
        }
        map.reset(new ChangeMap(path, std::move(fd), header));
        map->generation_ = generation;
        map->slot_ = slot;
        map->existed_ = existed;
        map->recovered_ = !header.clean && (header.boot_id != boot_id || boot_id == Uuid{});
        map->load();
    } catch (const Damaged& damage) {
        fail_damaged(path, damage.what());
    }
    // From now on the file may be behind what a sync has made durable.
    map->header_.boot_id = boot_id;
    map->header_.clean = false;
    if (const int error = map->write_header()) {
        fail(path, fmt::format("cannot be written: {}", std::strerror(error)));
    }
    return map;
}

void ChangeMap::load()
{
    struct stat status = {};
    const std::uint64_t expected = file_bytes(sectors_.size());
    if (fstat(fd_.get(), &status) != 0 ||
        static_cast<std::uint64_t>(status.st_size) != expected) {
        throw Damaged(fmt::format("it has {} bytes, for {} bytes of the device in granules of {} "
                                  "it has to have {}",
                                  status.st_size, header_.device_size, header_.granularity,
                                  expected));
    }
    const std::uint64_t granularity = header_.granularity;
    for (std::uint64_t index = 0; index < sectors_.size(); index++) {
        SectorBytes bytes;
        std::size_t got = 0;
        if (const int error = read_fully(fd_.get(), bytes, sector_offset(index), got)) {
            fail(path_, fmt::format("cannot be read: {}", std::strerror(error)));
        }
        Bits bits = decode_bits(std::span(bytes).first(got), header_.id, index);
        sectors_[index].open_groups = bits.open_groups;
        for (std::size_t i = 0; i < words_per_sector; i++) {
            if (recovered_ && (bits.open_groups & group_bit(i)) != 0) {
                bits.words[i] = ~0ULL;
            }
            for (std::uint64_t left = bits.words[i]; left != 0; left &= left - 1) {
                const auto bit = static_cast<std::uint64_t>(std::countr_zero(left));
                const std::uint64_t begin =
                    (index * granules_per_sector + i * 64 + bit) * granularity;
                bits_.set({begin, begin + granularity});
            }
        }
    }
}

/// As they are in memory.
Bits ChangeMap::bits_of(std::uint64_t index) const
{
    Bits bits;
    for (std::size_t i = 0; i < words_per_sector; i++) {
        const std::size_t word = index * words_per_sector + i;
        bits.words[i] = word < bits_.words() ? bits_.word(word) : 0;
    }
    bits.open_groups = sectors_[index].open_groups;
    return bits;
}

int ChangeMap::write_sector(std::uint64_t index, const Bits& bits)
{
    return write_fully(fd_.get(), encode_bits(bits, header_.id, index), sector_offset(index));
}

int ChangeMap::sync()
{
    return ledger_.run([this] { return fdatasync(fd_.get()) == 0 ? 0 : errno; });
}

int ChangeMap::write_header()
{
    const unsigned slot = 1 - slot_;
    generation_++;
    int error = write_fully(fd_.get(), encode_header(header_, generation_, slot),
                            slot * sector_bytes);
    if (error == 0) {
        error = sync();
    }
    if (error == 0) {
        slot_ = slot;
    }
    return error;
}

Uuid ChangeMap::pair() const
{
    const std::lock_guard lock(header_mutex_);
    return header_.pair;
}

std::uint64_t ChangeMap::checkpoint() const
{
    const std::lock_guard lock(header_mutex_);
    return header_.checkpoint;
}

int ChangeMap::set_base(const Uuid& pair, std::uint64_t checkpoint)
{
    const std::lock_guard lock(header_mutex_);
    header_.pair = pair;
    header_.checkpoint = checkpoint;
    return fd_ && !closed_ ? write_header() : 0;
}

bool ChangeMap::all_set(ByteRange range) const
{
    const std::uint64_t granularity = bits_.granularity();
    for (std::uint64_t g = range.begin / granularity; g <= (range.end - 1) / granularity; g++) {
        if ((bits_.word(g / 64) >> (g % 64) & 1) == 0) {
            return false;
        }
    }
    return true;
}

int ChangeMap::set(ByteRange range)
{
    range.end = std::min(range.end, bits_.size());
    if (range.empty()) {
        return 0;
    }
    const std::uint64_t bytes_per_sector = granules_per_sector * bits_.granularity();
    for (std::uint64_t at = range.begin; at < range.end;) {
        const std::uint64_t index = at / bytes_per_sector;
        const std::uint64_t end = std::min(range.end, (index + 1) * bytes_per_sector);
        if (const int error = set_in_sector(index, {at, end})) {
            return error;
        }
        at = end;
    }
    return 0;
}

int ChangeMap::set_in_sector(std::uint64_t index, ByteRange range)
{
    // Also for a look: retain() must not come between that and our caller's write.
    const std::lock_guard lock(mutex_of(index));
    if (all_set(range)) {
        return 0;
    }
    if (!fd_) {
        bits_.set(range);
        return 0;
    }
    if (closed_) {
        return ESHUTDOWN;
    }
    Sector& sector = sectors_[index];
    const std::uint64_t first_word = index * words_per_sector;
    const std::uint64_t granularity = bits_.granularity();
    Bits bits = bits_of(index);
    std::uint64_t groups = 0;
    for (std::uint64_t g = range.begin / granularity; g <= (range.end - 1) / granularity; g++) {
        const std::uint64_t word = g / 64 - first_word;
        bits.words[word] |= 1ULL << (g % 64);
        groups |= group_bit(word);
    }
    sector.used_groups |= groups;
    const bool opens = (groups & ~sector.open_groups) != 0;
    bits.open_groups |= groups;
    if (const int error = write_sector(index, bits)) {
        return error;
    }
    if (opens) {
        if (const int error = sync()) {
            return error;
        }
        sector.open_groups = bits.open_groups;
    }
    // Only now: who finds them set does not look at the file.
    bits_.set(range);
    return 0;
}

void ChangeMap::clear(ByteRange range)
{
    const std::uint64_t bytes_per_sector = granules_per_sector * bits_.granularity();
    for (std::uint64_t at = range.begin; at < range.end;) {
        const std::uint64_t index = at / bytes_per_sector;
        const std::uint64_t end = std::min(range.end, (index + 1) * bytes_per_sector);
        const std::lock_guard lock(mutex_of(index));
        bits_.clear({at, end});
        sectors_[index].behind = true;
        at = end;
    }
}

void ChangeMap::retain(const DirtyBitmap& kept, const DirtyBitmap& also)
{
    const std::uint64_t granularity = bits_.granularity();
    for (std::size_t word = 0; word < bits_.words(); word++) {
        if (bits_.word(word) == 0) {
            continue;
        }
        const std::uint64_t index = word / words_per_sector;
        const std::lock_guard lock(mutex_of(index));
        const std::uint64_t gone = bits_.word(word) & ~(kept.word(word) | also.word(word));
        for (std::uint64_t left = gone; left != 0; left &= left - 1) {
            const std::uint64_t begin =
                (word * 64 + static_cast<std::uint64_t>(std::countr_zero(left))) * granularity;
            bits_.clear({begin, begin + granularity});
            sectors_[index].behind = true;
        }
    }
}

int ChangeMap::settle()
{
    if (!fd_ || closed_) {
        return 0;
    }
    std::vector<std::uint64_t> closing(sectors_.size());
    for (std::uint64_t index = 0; index < sectors_.size(); index++) {
        const std::lock_guard lock(mutex_of(index));
        Sector& sector = sectors_[index];
        closing[index] = sector.open_groups & sector.idle_groups & ~sector.used_groups;
        sector.idle_groups = sector.open_groups & ~sector.used_groups;
        sector.used_groups = 0;
        if (sector.behind) {
            if (const int error = write_sector(index, bits_of(index))) {
                return error;
            }
            sector.behind = false;
        }
    }
    if (const int error = sync()) {
        return error;
    }
    for (std::uint64_t index = 0; index < sectors_.size(); index++) {
        const std::lock_guard lock(mutex_of(index));
        Sector& sector = sectors_[index];
        // What was set since the sync is not durable yet.
        closing[index] &= ~sector.used_groups;
        if (closing[index] != 0) {
            // First in memory: a set() that comes now opens the group again.
            sector.open_groups &= ~closing[index];
            sector.idle_groups &= ~closing[index];
            if (const int error = write_sector(index, bits_of(index))) {
                return error;
            }
        }
    }
    return 0;
}

int ChangeMap::close()
{
    if (!fd_ || closed_.exchange(true)) {
        return 0;
    }
    for (std::uint64_t index = 0; index < sectors_.size(); index++) {
        const std::lock_guard lock(mutex_of(index));
        sectors_[index].open_groups = 0;
        if (const int error = write_sector(index, bits_of(index))) {
            return error;
        }
    }
    const std::lock_guard lock(header_mutex_);
    if (const int error = sync()) {
        return error;
    }
    header_.clean = true;
    return write_header();
}

Uuid machine_boot_id()
{
    Uuid id{};
    const UniqueFd fd(::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
    char text[37] = {};
    if (!fd || ::read(fd.get(), text, 36) != 36) {
        return id;
    }
    std::size_t digit = 0;
    for (const char c : std::string_view(text, 36)) {
        if (c == '-' || digit == 32) {
            continue;
        }
        const unsigned value = static_cast<unsigned>(c <= '9' ? c - '0' : c - 'a' + 10) & 15U;
        id[digit / 2] |= static_cast<std::byte>(digit % 2 == 0 ? value << 4 : value);
        digit++;
    }
    return id;
}

}  // namespace resilience
