// SPDX-License-Identifier: BSD-3-Clause
#include "common/control/control_socket.h"

#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <fcntl.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>

#include <fmt/format.h>

#include "common/device/device.h"

namespace resilience {

namespace {

constexpr std::size_t max_path = sizeof(sockaddr_un::sun_path) - 1;
constexpr int backlog = 16;

[[noreturn]] void fail(const std::string& path, const std::string& what)
{
    throw SetupError(fmt::format("control socket '{}' {}", path, what));
}

[[noreturn]] void fail_errno(const std::string& path, const char* doing, int error)
{
    fail(path, fmt::format("cannot be {}: {}", doing, std::strerror(error)));
}

void check_path(const std::string& path)
{
    if (path.empty() || path[0] != '/') {
        fail(path, "is not an absolute path");
    }
    if (path.size() > max_path) {
        fail(path, fmt::format("has a path of {} bytes, but {} is the most that a unix socket "
                               "can have", path.size(), max_path));
    }
    if (path.find('\0') != std::string::npos) {
        fail(path, "has a NUL byte in its path");
    }
}

sockaddr_un address_of(const std::string& path)
{
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.data(), path.size());
    return address;
}

UniqueFd new_socket(const std::string& path)
{
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) {
        fail_errno(path, "made", errno);
    }
    return fd;
}

/// Two servers that start at once on a dead server's socket must not each
/// find it dead, and one remove the other's new one.  They take turns with a
/// lock on the folder, which leaves nothing behind.
UniqueFd lock_folder(const std::string& path)
{
    const std::string folder = std::filesystem::path(path).parent_path().string();
    UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd) {
        fail(path, fmt::format("cannot be made in '{}': {}", folder, std::strerror(errno)));
    }
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    while (::flock(fd.get(), LOCK_EX | LOCK_NB) == -1) {
        if (errno != EWOULDBLOCK && errno != EINTR) {
            break;  // a file system without locks: go on without
        }
        if (std::chrono::steady_clock::now() > deadline) {
            fail(path, fmt::format("cannot be made: another program has locked the folder '{}' "
                                   "for 5 seconds", folder));
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return fd;
}

/// Makes room for the socket: removes one that nobody listens on.
void remove_stale(const std::string& path)
{
    struct stat status{};
    if (::lstat(path.c_str(), &status) == -1) {
        if (errno == ENOENT) {
            return;
        }
        fail_errno(path, "looked at", errno);
    }
    if (S_ISDIR(status.st_mode)) {
        fail(path, "is a directory; give the path of a socket to be made");
    }
    if (!S_ISSOCK(status.st_mode)) {
        fail(path, "exists and is not a socket; remove it, or give another path");
    }
    const UniqueFd probe = new_socket(path);
    const sockaddr_un address = address_of(path);
    if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
        errno == EAGAIN) {  // EAGAIN: it listens, and many wait already
        fail(path, "is in use by another server");
    }
    if (errno == ENOENT) {
        return;
    }
    if (errno != ECONNREFUSED) {
        fail(path, fmt::format("exists, and cannot be checked: {}", std::strerror(errno)));
    }
    if (::unlink(path.c_str()) == -1 && errno != ENOENT) {
        fail_errno(path, "replaced", errno);
    }
}

}  // namespace

ControlSocket::ControlSocket(std::string path) : path_(std::move(path))
{
    check_path(path_);
    const UniqueFd lock = lock_folder(path_);
    remove_stale(path_);
    bind_and_listen();
}

void ControlSocket::bind_and_listen()
{
    UniqueFd fd = new_socket(path_);
    // On Linux the file gets the mode of the unbound socket, so that there is
    // no moment in which others could connect, and the process's umask, which
    // other threads may need, is left alone.
    if (::fchmod(fd.get(), 0600) == -1) {
        fail_errno(path_, "made private", errno);
    }
    const sockaddr_un address = address_of(path_);
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == -1) {
        fail_errno(path_, "bound", errno);
    }
    struct stat status{};
    if (::lstat(path_.c_str(), &status) == -1) {
        fail_errno(path_, "looked at", errno);
    }
    device_ = status.st_dev;
    inode_ = status.st_ino;
    fd_ = std::move(fd);
    // Nobody can connect before listen(), so this is in time elsewhere too.
    if ((status.st_mode & 077) != 0 && ::chmod(path_.c_str(), 0600) == -1) {
        const int error = errno;
        remove();
        fail_errno(path_, "made private", error);
    }
    if (::listen(fd_.get(), backlog) == -1) {
        const int error = errno;
        remove();
        fail_errno(path_, "listened on", error);
    }
}

void ControlSocket::remove()
{
    if (!fd_) {
        return;
    }
    struct stat status{};
    if (::lstat(path_.c_str(), &status) == 0 && status.st_dev == device_ &&
        status.st_ino == inode_) {
        ::unlink(path_.c_str());
    }
    fd_ = UniqueFd();
}

}  // namespace resilience
