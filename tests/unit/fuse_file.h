// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A file that can hang: nbdfuse shows an NBD server as one, and both can be stopped.

#include <sys/vfs.h>

#include <catch2/catch.hpp>

#include "tests/unit/device_test.h"

namespace device_test {

/// A server on a socket, and its export as a file.
class FuseFile {
public:
    FuseFile(const TemporaryFolder& folder, std::vector<std::string> server)
        : mount_(folder / "mount"), server_(with_socket(folder, std::move(server)))
    {
        const auto socket = folder / "socket";
        std::filesystem::create_directory(mount_);
        // The socket is there before anybody listens; the pid file comes after.
        if (!eventually([&] { return std::filesystem::exists(folder / "pid"); })) {
            throw std::runtime_error("the server did not start");
        }
        fuse_.emplace(std::vector<std::string>{"nbdfuse", mount_, "--unix", socket});
        constexpr long fuse_magic = 0x65735546;
        if (!eventually([&] {
                struct statfs fs = {};
                return statfs(mount_.c_str(), &fs) == 0 && fs.f_type == fuse_magic;
            })) {
            throw std::runtime_error("nbdfuse did not mount");
        }
    }
    FuseFile(const FuseFile&) = delete;
    FuseFile& operator=(const FuseFile&) = delete;
    ~FuseFile()
    {
        // The server must go on, or the unmount would hang like everything.
        go_on();
        run("umount --lazy " + mount_);
        fuse_->kill_and_wait();
    }
    std::string path() const { return mount_ + "/nbd"; }
    /// The server hangs; what the kernel remembers of the file still works.
    void hang() const { server_.signal(SIGSTOP); }
    /// The whole file system hangs.
    void hang_all() const
    {
        hang();
        fuse_->signal(SIGSTOP);
    }
    void go_on() const
    {
        server_.signal(SIGCONT);
        fuse_->signal(SIGCONT);
    }

private:
    static std::vector<std::string> with_socket(const TemporaryFolder& folder,
                                                std::vector<std::string> server)
    {
        const std::vector<std::string> start = {"nbdkit", "-f", "-U", folder / "socket",
                                                "-P", folder / "pid"};
        server.insert(server.begin(), start.begin(), start.end());
        return server;
    }

    std::string mount_;
    Process server_;
    std::optional<Process> fuse_;
};

inline bool have_fuse()
{
    if (access("/dev/fuse", R_OK | W_OK) == 0 && geteuid() == 0 && have_program("nbdfuse") &&
        have_program("nbdkit")) {
        return true;
    }
    WARN("skipped: needs root, /dev/fuse, nbdfuse and nbdkit");
    return false;
}

}  // namespace device_test
