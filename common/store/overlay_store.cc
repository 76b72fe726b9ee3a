// SPDX-License-Identifier: BSD-3-Clause
#include "common/store/overlay_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "common/core/log.h"
#include "common/device/device.h"
#include "common/file/file_lock.h"
#include "common/store/overlay_map_file.h"
#include "common/thread/clock.h"

namespace resilience {
namespace {

constexpr std::chrono::milliseconds lock_interval{20};

template <typename... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args)
{
    throw SetupError(fmt::format(format, std::forward<Args>(args)...));
}

std::string map_path(const std::string& path) { return path + ".map"; }

OpenedFile opened(UniqueFd fd, std::uint64_t size)
{
    OpenedFile file;
    file.fd = std::move(fd);
    file.size = size;
    file.writable = true;
    file.punch = true;
    return file;
}

void set_size(const std::string& what, int fd, std::uint64_t size)
{
    if (::ftruncate(fd, static_cast<off_t>(size)) == -1) {
        fail("{}: a sparse file of {} bytes, the size of the device, cannot be made there: {}",
             what, size, std::strerror(errno));
    }
}

struct stat status_of(const std::string& path, int fd)
{
    struct stat status = {};
    if (::fstat(fd, &status) == -1) {
        fail("{}: {}", path, std::strerror(errno));
    }
    return status;
}

/// Opens the content of a named overlay, which is made if it is not there.
UniqueFd open_content(const std::string& path)
{
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0644));
    if (!fd) {
        fail("{}: cannot be opened: {}", path, std::strerror(errno));
    }
    if (!S_ISREG(status_of(path, fd.get()).st_mode)) {
        fail("{}: is no regular file", path);
    }
    return fd;
}

/// The same, and locks it.  A client that has just gone may still hold it (the
/// map is being written), and may remove it at the last moment.
UniqueFd open_locked(const std::string& path, std::chrono::milliseconds patience)
{
    const auto deadline = real_clock().now() + patience;
    for (;;) {
        UniqueFd fd = open_content(path);
        try {
            lock_file(path, fd.get(), true);
            if (status_of(path, fd.get()).st_nlink != 0) {
                return fd;
            }
        } catch (const SetupError&) {
            if (real_clock().now() >= deadline) {
                throw;
            }
        }
        std::this_thread::sleep_for(lock_interval);
    }
}

/// What is known of the overlay at `path`, whose file is open; makes a new one
/// of an empty file.
OverlayMap load(const std::string& path, int fd, std::uint64_t size, std::uint64_t identity)
{
    const struct stat status = status_of(path, fd);
    auto found = read_overlay_map(map_path(path));
    if (!found) {
        if (status.st_blocks != 0) {
            fail("{0}: there is no {0}.map, so nobody knows what of it counts; "
                 "move it away to begin with an empty overlay", path);
        }
        set_size(path, fd, size);
        if (const int error = write_overlay_map(map_path(path), {size, identity, {}})) {
            fail("{}: cannot be written: {}", map_path(path), std::strerror(error));
        }
        return {};
    }
    if (found->device_size != size || found->identity != identity) {
        fail("{}: this overlay was made for another device{}; give its log, state and base, or "
             "another folder", path,
             found->device_size != size
                 ? fmt::format(" of {} bytes, not {}", found->device_size, size)
                 : " of the same size (another log, state or base)");
    }
    if (static_cast<std::uint64_t>(status.st_size) != size) {
        fail("{}: is {} bytes long, and must be {}: it has been changed by somebody else", path,
             status.st_size, size);
    }
    return std::move(found->map);
}

}  // namespace

OverlayStore::OverlayStore(OpenedFile file, std::string path, std::uint64_t identity,
                           OverlayMap map)
    : file_(std::move(file)), io_(file_), path_(std::move(path)), identity_(identity),
      map_(std::move(map))
{
}

std::unique_ptr<OverlayStore> OverlayStore::temporary(std::uint64_t size)
{
    const char* chosen = std::getenv("TMPDIR");
    const std::string folder = chosen != nullptr && *chosen != '\0' ? chosen : "/var/tmp";
    std::string path = folder + "/overlay-XXXXXX";
    UniqueFd fd(::mkostemp(path.data(), O_CLOEXEC));
    if (!fd) {
        fail("{}: no temporary file can be made there: {} (TMPDIR names another folder)", folder,
             std::strerror(errno));
    }
    ::unlink(path.c_str());
    set_size(folder, fd.get(), size);
    return std::make_unique<OverlayStore>(opened(std::move(fd), size), "", 0, OverlayMap{});
}

std::unique_ptr<OverlayStore> OverlayStore::named(const std::string& path, std::uint64_t size,
                                                  std::uint64_t identity,
                                                  std::chrono::milliseconds patience)
{
    UniqueFd fd = open_locked(path, patience);
    OverlayMap map = load(path, fd.get(), size, identity);
    return std::make_unique<OverlayStore>(opened(std::move(fd), size), path, identity,
                                          std::move(map));
}

void OverlayStore::forget(ByteRange range)
{
    if (::fallocate(file_.fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                    static_cast<off_t>(range.begin), static_cast<off_t>(range.length())) == -1) {
        log::debug("overlay: no hole at {}: {}", range.begin, std::strerror(errno));
    }
}

int OverlayStore::save(const OverlayMap& map)
{
    if (const int error = io_.sync(); error != 0) {
        return error;
    }
    return write_overlay_map(map_path(path_), {file_.size, identity_, map});
}

void OverlayStore::remove()
{
    // The content last: as long as it is there, nobody makes a new overlay.
    ::unlink(map_path(path_).c_str());
    ::unlink(path_.c_str());
}

}  // namespace resilience
