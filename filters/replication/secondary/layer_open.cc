// SPDX-License-Identifier: BSD-3-Clause
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "common/device/open_options.h"
#include "common/file/file_lock.h"
#include "filters/replication/secondary/layer.h"

namespace resilience::replication {

namespace {

template <typename... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args)
{
    throw SetupError(fmt::format(format, std::forward<Args>(args)...));
}

/// QEMU's sentence, with the numbers.
[[noreturn]] void fail_length(const std::string& key, const std::string& path,
                              std::uint64_t length, std::uint64_t disk)
{
    fail("Active disk, hidden disk, secondary disk's length are not the same: {}='{}' has {} "
         "bytes, the disk has {}",
         key, path, length, disk);
}

bool is_there(const std::string& path)
{
    struct stat st = {};
    if (stat(path.c_str(), &st) == 0) {
        return true;
    }
    if (errno != ENOENT) {
        fail("'{}' cannot be used: {}", path, std::strerror(errno));
    }
    return false;
}

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

/// The file for a new map: it must not hold anything yet.
void prepare_file(const std::string& key, const std::string& path, int fd,
                  const LayerHeader& wanted)
{
    struct stat st = {};
    fstat(fd, &st);
    const auto length = static_cast<std::uint64_t>(st.st_size);
    if (length != 0 && length != wanted.device_size) {
        fail_length(key, path, length, wanted.device_size);
    }
    if (st.st_blocks != 0) {
        fail("{0}='{1}' holds something, but there is no map '{1}.map' that says what of it "
             "counts: bring the map back, or move the file away to begin with an empty one",
             key, path);
    }
    if (ftruncate(fd, static_cast<off_t>(wanted.device_size)) != 0) {
        fail("{}='{}': a sparse file of {} bytes, the size of the disk, cannot be made there: {}",
             key, path, wanted.device_size, std::strerror(errno));
    }
    if (fsync(fd) != 0) {
        fail("{}='{}' cannot be made durable: {}", key, path, std::strerror(errno));
    }
}

void check_header(const std::string& key, const std::string& path, const LayerHeader& found,
                  const LayerHeader& wanted)
{
    if (found.kind != wanted.kind) {
        fail("{}='{}': its map says that this is the {} file; the two must not be exchanged", key,
             path, found.kind == LayerKind::hidden ? "hidden" : "active");
    }
    if (found.device_size != wanted.device_size) {
        fail_length(key, path, found.device_size, wanted.device_size);
    }
}

}  // namespace

std::unique_ptr<Layer> Layer::open(const std::string& key, const std::string& path,
                                   const LayerHeader& wanted)
{
    const std::string map_path = path + ".map";
    const bool known = is_there(map_path);
    if (known && !is_there(path)) {
        fail("{}='{}' is gone, but its map '{}' is there: bring the file back.  Without it there "
             "is no last checkpoint; remove the map, too, to begin without one",
             key, path, map_path);
    }
    UniqueFd lock = open_locked(key, path);
    if (!known) {
        prepare_file(key, path, lock.get(), wanted);
        LayerMapFile::create(map_path, wanted);
    }
    auto map = std::make_unique<LayerMapFile>(map_path);
    check_header(key, path, map->header(), wanted);
    OpenOptions how;
    how.lock = false;  // `lock` has it, and would be in the way of itself
    OpenedFile file = open_file(path, how);
    if (file.size != wanted.device_size) {
        fail_length(key, path, file.size, wanted.device_size);
    }
    return std::make_unique<Layer>(std::move(file), std::move(lock), std::move(map), !known);
}

}  // namespace resilience::replication
