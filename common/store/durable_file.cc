// SPDX-License-Identifier: BSD-3-Clause
#include "common/store/durable_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>

#include "common/core/unique_fd.h"
#include "common/device/device.h"

namespace resilience {

int read_fully(int fd, std::span<std::byte> into, std::uint64_t offset, std::size_t& got)
{
    got = 0;
    while (got < into.size()) {
        const ssize_t n = ::pread(fd, into.data() + got, into.size() - got,
                                  static_cast<off_t>(offset + got));
        if (n == -1 && errno == EINTR) {
            continue;
        }
        if (n == -1) {
            return errno;
        }
        if (n == 0) {
            break;
        }
        got += static_cast<std::size_t>(n);
    }
    return 0;
}

int write_fully(int fd, std::span<const std::byte> from, std::uint64_t offset)
{
    while (!from.empty()) {
        const ssize_t n = ::pwrite(fd, from.data(), from.size(), static_cast<off_t>(offset));
        if (n == -1 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n == 0 ? EIO : errno;
        }
        from = from.subspan(static_cast<std::size_t>(n));
        offset += static_cast<std::uint64_t>(n);
    }
    return 0;
}

int sync_folder_of(const std::string& path)
{
    const auto parent = std::filesystem::path(path).parent_path();
    const std::string folder = parent.empty() ? "." : parent.string();
    const UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return fd && ::fsync(fd.get()) == 0 ? 0 : errno;
}

int replace_file(const std::string& path, std::span<const std::byte> content, unsigned mode)
{
    const std::string temporary = path + ".tmp";
    const UniqueFd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
    if (!fd) {
        return errno;
    }
    int error = write_fully(fd.get(), content, 0);
    if (error == 0 && ::fsync(fd.get()) != 0) {
        error = errno;
    }
    if (error == 0 && std::rename(temporary.c_str(), path.c_str()) != 0) {
        error = errno;
    }
    if (error != 0) {
        ::unlink(temporary.c_str());
        return error;
    }
    return sync_folder_of(path);
}

std::optional<std::vector<std::byte>> read_whole_file(const std::string& path, std::size_t most)
{
    // O_NONBLOCK: a pipe with no writer must be refused, not waited for.
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    if (!fd && errno == ENOENT) {
        return std::nullopt;
    }
    struct stat status = {};
    if (!fd || ::fstat(fd.get(), &status) != 0) {
        throw SetupError(fmt::format("'{}' cannot be opened: {}", path, std::strerror(errno)));
    }
    if (!S_ISREG(status.st_mode) || static_cast<std::uint64_t>(status.st_size) > most) {
        throw SetupError(fmt::format("'{}' is not a regular file of at most {} bytes", path, most));
    }
    std::vector<std::byte> bytes(static_cast<std::size_t>(status.st_size));
    std::size_t got = 0;
    if (const int error = read_fully(fd.get(), bytes, 0, got)) {
        throw SetupError(fmt::format("'{}' cannot be read: {}", path, std::strerror(error)));
    }
    bytes.resize(got);
    return bytes;
}

}  // namespace resilience
