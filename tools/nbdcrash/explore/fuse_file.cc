// SPDX-License-Identifier: BSD-3-Clause
#define FUSE_USE_VERSION 35
#include "tools/nbdcrash/explore/fuse_file.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

#include <fmt/format.h>
#include <fuse_lowlevel.h>
#include <linux/falloc.h>

#include "common/thread/thread_start.h"

namespace resilience::nbdcrash {

namespace {

constexpr fuse_ino_t file_inode = 2;
constexpr const char* file_name = "disk";
constexpr double for_good = 86400;

FuseFile& file_of(fuse_req_t request)
{
    return *static_cast<FuseFile*>(fuse_req_userdata(request));
}

struct stat attributes(const FuseFile& file, fuse_ino_t inode)
{
    struct stat status = {};
    const bool folder = inode == FUSE_ROOT_ID;
    status.st_ino = inode;
    status.st_mode = folder ? S_IFDIR | (file.for_all() ? 0755 : 0700)
                            : S_IFREG | (file.for_all() ? 0666 : 0600);
    status.st_nlink = folder ? 2 : 1;
    status.st_uid = ::getuid();
    status.st_gid = ::getgid();
    status.st_size = folder ? 0 : static_cast<off_t>(file.size());
    status.st_blocks = status.st_size / 512;
    return status;
}

void on_lookup(fuse_req_t request, fuse_ino_t parent, const char* name)
{
    if (parent != FUSE_ROOT_ID || std::strcmp(name, file_name) != 0) {
        fuse_reply_err(request, ENOENT);
        return;
    }
    fuse_entry_param entry = {};
    entry.ino = file_inode;
    entry.attr = attributes(file_of(request), file_inode);
    entry.attr_timeout = for_good;
    entry.entry_timeout = for_good;
    fuse_reply_entry(request, &entry);
}

void on_getattr(fuse_req_t request, fuse_ino_t inode, fuse_file_info*)
{
    const struct stat status = attributes(file_of(request), inode);
    fuse_reply_attr(request, &status, for_good);
}

/// Times and permissions are accepted and forgotten; the size cannot change.
void on_setattr(fuse_req_t request, fuse_ino_t inode, struct stat* wanted, int which,
                fuse_file_info*)
{
    const struct stat status = attributes(file_of(request), inode);
    if ((which & FUSE_SET_ATTR_SIZE) != 0 && wanted->st_size != status.st_size) {
        fuse_reply_err(request, EPERM);
        return;
    }
    fuse_reply_attr(request, &status, for_good);
}

void on_readdir(fuse_req_t request, fuse_ino_t, std::size_t size, off_t offset, fuse_file_info*)
{
    constexpr std::array<const char*, 3> names = {".", "..", file_name};
    std::vector<char> buffer(size);
    std::size_t used = 0;
    for (auto i = static_cast<std::size_t>(offset); i < names.size(); i++) {
        const struct stat status = attributes(file_of(request), i < 2 ? FUSE_ROOT_ID : file_inode);
        const std::size_t length = fuse_add_direntry(request, buffer.data() + used, size - used,
                                                     names[i], &status, static_cast<off_t>(i + 1));
        if (length > size - used) {
            break;
        }
        used += length;
    }
    fuse_reply_buf(request, buffer.data(), used);
}

void on_open(fuse_req_t request, fuse_ino_t inode, fuse_file_info* info)
{
    if (inode != file_inode) {
        fuse_reply_err(request, EISDIR);
        return;
    }
    info->direct_io = 1;
    fuse_reply_open(request, info);
}

/// Carries `op` out on what is shown now.  0 or an errno.
int execute(FuseFile& file, Request& op)
{
    const auto device = file.device();
    return device ? device->execute(op) : EIO;
}

void on_read(fuse_req_t request, fuse_ino_t, std::size_t size, off_t offset, fuse_file_info*)
{
    FuseFile& file = file_of(request);
    const auto begin = static_cast<std::uint64_t>(offset);
    if (begin >= file.size() || size == 0) {
        fuse_reply_buf(request, nullptr, 0);
        return;
    }
    std::vector<std::byte> buffer(std::min<std::uint64_t>(size, file.size() - begin));
    Request op;
    op.op = Op::read;
    op.offset = begin;
    op.length = buffer.size();
    op.into = buffer;
    if (const int error = execute(file, op); error != 0) {
        fuse_reply_err(request, error);
        return;
    }
    fuse_reply_buf(request, reinterpret_cast<const char*>(buffer.data()), buffer.size());
}

void on_write(fuse_req_t request, fuse_ino_t, const char* bytes, std::size_t size, off_t offset,
              fuse_file_info* info)
{
    FuseFile& file = file_of(request);
    const auto begin = static_cast<std::uint64_t>(offset);
    if (begin >= file.size()) {
        fuse_reply_err(request, ENOSPC);
        return;
    }
    Request op;
    op.op = Op::write;
    op.offset = begin;
    op.length = std::min<std::uint64_t>(size, file.size() - begin);
    op.from = {reinterpret_cast<const std::byte*>(bytes), op.length};
    // The kernel sends no fsync for such a write.
    op.flags.fua = (info->flags & O_DSYNC) != 0;
    const int error = op.length == 0 ? 0 : execute(file, op);
    error != 0 ? fuse_reply_err(request, error) : fuse_reply_write(request, op.length);
}

void on_fsync(fuse_req_t request, fuse_ino_t, int, fuse_file_info*)
{
    Request op;
    op.op = Op::flush;
    fuse_reply_err(request, execute(file_of(request), op));
}

/// Holes are made and zeroes written this way, and loop devices discard so.
void on_fallocate(fuse_req_t request, fuse_ino_t, int mode, off_t offset, off_t length,
                  fuse_file_info*)
{
    FuseFile& file = file_of(request);
    const auto begin = static_cast<std::uint64_t>(offset);
    const auto end = std::min(begin + static_cast<std::uint64_t>(length), file.size());
    if ((mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) != 0) {
        fuse_reply_err(request, EOPNOTSUPP);
        return;
    }
    if ((mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) == 0 || begin >= end) {
        fuse_reply_err(request, 0);
        return;
    }
    Request op;
    op.op = (mode & FALLOC_FL_PUNCH_HOLE) != 0 ? Op::trim : Op::zero;
    op.offset = begin;
    op.length = end - begin;
    fuse_reply_err(request, execute(file, op));
}

fuse_lowlevel_ops operations()
{
    fuse_lowlevel_ops ops = {};
    ops.lookup = on_lookup;
    ops.getattr = on_getattr;
    ops.setattr = on_setattr;
    ops.readdir = on_readdir;
    ops.open = on_open;
    ops.read = on_read;
    ops.write = on_write;
    ops.fsync = on_fsync;
    ops.fallocate = on_fallocate;
    return ops;
}

/// The kernel speaks to this session from now on.  libfuse says itself, on
/// stderr, what is wrong with a mount.
fuse_session* mount_session(FuseFile* file, const std::string& folder, bool for_all)
{
    const std::string options =
        for_all ? "-ofsname=nbdcrash,allow_other" : "-ofsname=nbdcrash,auto_unmount";
    std::string program = "nbdcrash";
    std::string option = options;
    std::array<char*, 2> words = {program.data(), option.data()};
    fuse_args arguments = FUSE_ARGS_INIT(2, words.data());
    const fuse_lowlevel_ops ops = operations();
    fuse_session* session = fuse_session_new(&arguments, &ops, sizeof ops, file);
    fuse_opt_free_args(&arguments);
    if (session == nullptr || fuse_session_mount(session, folder.c_str()) != 0) {
        const int error = errno;
        if (session != nullptr) {
            fuse_session_destroy(session);
        }
        throw SetupError(fmt::format(
            "{}: cannot mount a FUSE file system there{}; that needs /dev/fuse and root, or "
            "fusermount3 (Debian: apt-get install fuse3)",
            folder, error != 0 ? fmt::format(" ({})", std::strerror(error)) : ""));
    }
    return session;
}

}  // namespace

void FuseFile::require() {}

FuseFile::FuseFile(const std::string& folder, std::uint64_t size, bool for_all)
    : folder_(folder), path_(folder + "/" + file_name), size_(size), for_all_(for_all)
{
    errno = 0;
    session_ = mount_session(this, folder_, for_all);
    thread_ = start_thread("fuse", [this] { serve(); });
}

FuseFile::~FuseFile()
{
    // Lazily first: a process that still has the file open must not keep the
    // mount, and ending the session below makes its requests fail.
    ::umount2(folder_.c_str(), MNT_DETACH);
    stop_.signal();
    thread_.join();
    fuse_session_unmount(session_);
    fuse_session_destroy(session_);
}

void FuseFile::show(std::shared_ptr<Device> device)
{
    const std::lock_guard lock(mutex_);
    device_.swap(device);
}

std::shared_ptr<Device> FuseFile::device() const
{
    const std::lock_guard lock(mutex_);
    return device_;
}

void FuseFile::serve()
{
    fuse_buf buffer = {};
    std::array<pollfd, 2> wait = {pollfd{fuse_session_fd(session_), POLLIN, 0},
                                  pollfd{stop_.get(), POLLIN, 0}};
    while (fuse_session_exited(session_) == 0) {
        if (::poll(wait.data(), wait.size(), -1) == -1 && errno != EINTR) {
            break;
        }
        if (wait[1].revents != 0) {
            break;
        }
        if (wait[0].revents == 0) {
            continue;
        }
        const int length = fuse_session_receive_buf(session_, &buffer);
        if (length == -EINTR || length == -EAGAIN) {
            continue;
        }
        if (length <= 0) {
            break;
        }
        fuse_session_process_buf(session_, &buffer);
    }
    std::free(buffer.mem);
}

}  // namespace resilience::nbdcrash
