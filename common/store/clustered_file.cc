// SPDX-License-Identifier: BSD-3-Clause
#include "common/store/clustered_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "common/core/log.h"
#include "common/file/file_lock.h"

namespace resilience {

namespace {

template <typename... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args)
{
    throw SetupError(fmt::format(format, std::forward<Args>(args)...));
}

bool is_there(const std::string& path)
{
    struct stat st = {};
    if (stat(path.c_str(), &st) == 0) {
        return true;
    }
    if (errno != ENOENT && errno != ENOTDIR) {
        fail("'{}' cannot be used: {}", path, std::strerror(errno));
    }
    return false;
}

/// Opens the file, which may be new, and locks it against other servers.
UniqueFd open_locked(const std::string& key, const std::string& path)
{
    UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644));
    if (!fd) {
        fail("{}='{}' cannot be opened or made: {}", key, path, std::strerror(errno));
    }
    struct stat st = {};
    if (fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode)) {
        fail("{}='{}' is not a regular file; it is a sparse file, give the path of one that does "
             "not exist yet",
             key, path);
    }
    try {
        lock_file(path, fd.get(), true);
    } catch (const SetupError& error) {
        fail("{}: {}", key, error.what());
    }
    return fd;
}

std::uint64_t length_of(int fd)
{
    struct stat st = {};
    return fstat(fd, &st) == 0 ? static_cast<std::uint64_t>(st.st_size) : 0;
}

/// The file for a new map: it must not hold anything yet, as far as the file
/// system tells.
void prepare_file(const ClusteredFileWords& words, const std::string& path, int fd,
                  std::uint64_t size)
{
    const std::uint64_t length = length_of(fd);
    if (length != 0 && (lseek(fd, 0, SEEK_DATA) >= 0 || errno != ENXIO)) {
        fail("{0}='{1}' is not empty, but there is no map '{2}' that says what of it counts: it "
             "will not be overwritten.  Bring the map back, or move the file away to begin with "
             "an empty one (if all of it counts, nbdkit's file plugin serves it)",
             words.key, path, ClusteredFile::map_path(path));
    }
    if (length != 0 && length != size) {
        fail("{}{}='{}' has {} bytes, the {} has {}; nothing is in it: remove it", words.lengths,
             words.key, path, length, words.device, size);
    }
    if (ftruncate(fd, static_cast<off_t>(size)) != 0) {
        fail("{}='{}': a sparse file of {} bytes, the size of the {}, cannot be made there: {}",
             words.key, path, size, words.device, std::strerror(errno));
    }
    if (fsync(fd) != 0) {
        fail("{}='{}' cannot be made durable: {}", words.key, path, std::strerror(errno));
    }
}

}  // namespace

struct ClusteredFile::Parts {
    UniqueFd lock;
    OpenedFile file;
    std::unique_ptr<PageFile> pages;
    bool is_new = false;
};

bool ClusteredFile::exists(const std::string& path) { return is_there(map_path(path)); }

ClusteredFile::Parts ClusteredFile::open_parts(const ClusteredFileWords& words,
                                               const std::string& path,
                                               const mapfile::Header& wanted)
{
    Parts parts;
    if (exists(path) && !is_there(path)) {
        fail("{}='{}' is gone, but its map '{}' is there: bring the file back, or {}", words.key,
             path, map_path(path), words.anew);
    }
    parts.lock = open_locked(words.key, path);
    parts.is_new = !exists(path);  // under the lock: another server may have made them just now
    if (parts.is_new) {
        prepare_file(words, path, parts.lock.get(), wanted.device_size);
        PageFile::create(map_path(path), wanted);
    }
    parts.pages = std::make_unique<PageFile>(map_path(path), words.lost, words.anew);
    const mapfile::Header& header = parts.pages->header();
    if (header.kind != wanted.kind) {
        fail("{}='{}': its map says that this is a file for '{}', not for '{}'; files must not be "
             "exchanged",
             words.key, path, header.kind, wanted.kind);
    }
    if (const auto length = length_of(parts.lock.get()); length != header.device_size) {
        fail("{}{}='{}' has {} bytes, by its map it has to have {}: the file was changed by "
             "somebody else",
             words.lengths, words.key, path, length, header.device_size);
    }
    OpenOptions how;
    how.lock = false;  // parts.lock has it, and would be in the way of itself
    parts.file = open_file(path, how);
    return parts;
}

ClusteredFile::ClusteredFile(ClusteredFileWords words, const std::string& path,
                             const mapfile::Header& wanted)
    : ClusteredFile(words, path, open_parts(words, path, wanted))
{
}

ClusteredFile::ClusteredFile(ClusteredFileWords words, const std::string& path, Parts parts)
    : ClusterMap(parts.pages->header().device_size, parts.pages->header().cluster_size),
      words_(std::move(words)), path_(path), lock_(std::move(parts.lock)),
      file_(std::move(parts.file)), pages_(std::move(parts.pages)), is_new_(parts.is_new)
{
}

void ClusteredFile::load(std::uint64_t generation)
{
    empty(generation);
    pages_->load([this](std::uint64_t page, const mapfile::Payload& payload) {
        ClusterMap::load(page, payload);
    });
}

void ClusteredFile::fail_length(std::uint64_t device_size) const
{
    fail("{}{}='{}' has {} bytes, the {} has {}", words_.lengths, words_.key, path_, size(),
         words_.device, device_size);
}

// In these the mark comes last: a commit that begins before the file has changed
// must not take it away.  (One that failed may have changed something.)

int ClusteredFile::write(std::uint64_t offset, std::span<const std::byte> from)
{
    const int error = io_.write(offset, from, false);
    unsynced_ = true;
    return error;
}

int ClusteredFile::write_zeroes(std::uint64_t offset, std::uint64_t length)
{
    const int error = io_.write_zeroes(offset, length);
    unsynced_ = true;
    return error;
}

int ClusteredFile::zero(std::uint64_t offset, std::uint64_t length, const Flags& flags)
{
    const int error = zero_.zero(offset, length, flags);
    unsynced_ = true;
    return error;
}

int ClusteredFile::commit()
{
    const std::uint64_t ticket = ++wanted_;
    const std::lock_guard lock(mutex_);
    if (done_ < ticket) {
        const std::uint64_t all = wanted_.load();
        result_ = commit_now();
        done_ = all;
    }
    return result_;
}

int ClusteredFile::commit_now()
{
    unsynced_ = false;
    const std::vector<PageFile::Changed> pages = take_dirty();
    commits_++;
    int error = io_.sync();
    if (error == 0 && !pages.empty()) {
        error = pages_->write(pages);
    }
    if (error != 0) {
        unsynced_ = true;
        put_back(pages);
    }
    return error;
}

int ClusteredFile::write_header(std::uint64_t generation, std::span<const std::byte> owner)
{
    const std::lock_guard lock(mutex_);
    mapfile::Header header = pages_->header();
    header.generation = generation;
    header.owner.assign(owner.begin(), owner.end());
    return pages_->write_header(header);
}

std::optional<std::uint64_t> ClusteredFile::next_space(std::uint64_t from) const
{
    const off_t found = lseek(file_.fd.get(), static_cast<off_t>(from), SEEK_DATA);
    return found < 0 ? std::nullopt : std::optional(static_cast<std::uint64_t>(found));
}

/// Whether the map on the disk says what the memory says, of what nobody changes.
bool ClusteredFile::is_settled()
{
    const std::lock_guard lock(mutex_);  // waits for the commit that is under way
    return !ClusterMap::dirty();
}

void ClusteredFile::give_back(ByteRange range)
{
    // Perhaps the map on the disk says data, and the owner has taken that back in
    // memory only: what failed may be there in part.
    if (!is_settled() && commit() != 0) {
        return;
    }
    for (const ClusterRun& run : runs(touched(range.begin, range.end))) {
        if (run.state == ClusterState::data) {
            continue;
        }
        const std::uint64_t begin = begin_of(run.clusters.first);
        const std::uint64_t end = end_of(run.clusters.last);
        if (fallocate(file_.fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                      static_cast<off_t>(begin), static_cast<off_t>(end - begin)) != 0) {
            log::debug("{}: no hole at {}: {}", words_.key, begin, std::strerror(errno));
            return;
        }
    }
}

}  // namespace resilience
