// SPDX-License-Identifier: BSD-3-Clause
#include "tools/nbdcrash/explore/mount_space.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include <fmt/format.h>

#include "common/core/unique_fd.h"
#include "common/device/device.h"

namespace resilience::nbdcrash {

namespace {

/// mountinfo writes a space as \040, and so on.
std::string unescaped(const std::string& text)
{
    std::string result;
    for (std::size_t i = 0; i < text.size(); i++) {
        if (text[i] == '\\' && i + 3 < text.size()) {
            result += static_cast<char>(std::strtoul(text.substr(i + 1, 3).c_str(), nullptr, 8));
            i += 3;
        } else {
            result += text[i];
        }
    }
    return result;
}

/// A line of mountinfo (proc_pid_mountinfo(5)).
struct Mount {
    std::string point;
    bool follows = false;  ///< it goes away here when its owner unmounts it
    std::string type;
    std::string source;

    explicit Mount(const std::string& line)
    {
        std::istringstream words(line);
        std::string word;
        for (int i = 0; i < 5; i++) {
            words >> word;
        }
        point = unescaped(word);
        for (words >> word; words >> word && word != "-";) {
            follows = follows || word.starts_with("master:");
        }
        words >> type >> source;
    }

    /// Over a loop device, a network block device or FUSE: what people mount for
    /// a while, and want to be rid of when they unmount it.
    bool comes_and_goes() const
    {
        return source.starts_with("/dev/loop") || source.starts_with("/dev/nbd") ||
               type.starts_with("fuse");
    }
    bool holds(const std::string& path) const
    {
        return point == "/" || (path + "/").starts_with(point + "/");
    }
};

std::vector<std::string> mountinfo()
{
    std::vector<std::string> lines;
    std::ifstream file("/proc/thread-self/mountinfo");
    for (std::string line; std::getline(file, line);) {
        lines.push_back(line);
    }
    return lines;
}

/// Where "/" is not shared (in containers, without systemd), an unmount outside
/// does not reach the copy in here, and the file system would stay mounted, its
/// loop device busy, as long as we run.
void let_go_of_copies(const std::string& parent)
{
    std::error_code ignored;
    const std::string here = std::filesystem::current_path(ignored);
    const std::vector<std::string> lines = mountinfo();
    for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
        const Mount mount(*line);
        if (!mount.follows && mount.comes_and_goes() && !mount.holds(here) &&
            !mount.holds(parent)) {
            ::umount2(mount.point.c_str(), MNT_DETACH);
        }
    }
}

/// A namespace for this thread, in which `parent` (of our folder) stays as it is.
/// False where that is not allowed.
bool leave_mounts_of_others(const std::string& parent)
{
    if (::geteuid() != 0 || ::unshare(CLONE_NEWNS) == -1) {
        return false;
    }
    // What others mount goes on to appear here; what is mounted here stays here.
    if (::mount("none", "/", nullptr, MS_REC | MS_SLAVE, nullptr) == -1) {
        return false;
    }
    let_go_of_copies(parent);
    return true;
}

}  // namespace

MountSpace::MountSpace(const std::string& name)
{
    const char* chosen = std::getenv("TMPDIR");
    const std::string parent = chosen != nullptr && *chosen == '/' ? chosen : "/tmp";
    private_ = leave_mounts_of_others(parent);
    folder_ = fmt::format("{}/nbdcrash-{}-XXXXXX", parent, name);
    if (::mkdtemp(folder_.data()) == nullptr ||
        ::mkdir(mount_folder().c_str(), private_ ? 0755 : 0700) == -1) {
        throw SetupError(fmt::format("{}: cannot make a folder there: {} (TMPDIR names another "
                                     "place)",
                                     parent, std::strerror(errno)));
    }
    if (private_) {
        ::chmod(folder_.c_str(), 0755);
    }
    keep_mounts();
}

MountSpace::~MountSpace()
{
    clean();
    std::error_code ignored;
    // Not what is below a mount that could not be taken down.
    ::rmdir(mount_folder().c_str());
    for (const auto& file : std::filesystem::directory_iterator(folder_, ignored)) {
        std::filesystem::remove(file.path(), ignored);
    }
    ::rmdir(folder_.c_str());
}

/// The lines of mountinfo; each begins with a number that no other mount has.
std::set<std::string> MountSpace::mounts() const
{
    const std::vector<std::string> lines = mountinfo();
    return {lines.begin(), lines.end()};
}

void MountSpace::keep_mounts() { kept_ = mounts(); }

void MountSpace::clean()
{
    if (private_) {
        for (const std::string& line : mounts()) {
            if (kept_.contains(line)) {
                continue;
            }
            // In this namespace alone, so a mount of somebody else's that
            // appeared here is only lost here.
            ::umount2(Mount(line).point.c_str(), MNT_DETACH);
        }
    }
    detach_loops();
}

void MountSpace::detach_loops() const
{
    if (::geteuid() != 0) {
        return;
    }
    for (unsigned number = 0; number < 64; number++) {
        std::ifstream file(fmt::format("/sys/block/loop{}/loop/backing_file", number));
        std::string backing;
        if (!file || !std::getline(file, backing) || !backing.starts_with(folder_ + "/")) {
            continue;
        }
        const UniqueFd loop(::open(fmt::format("/dev/loop{}", number).c_str(),
                                   O_RDONLY | O_CLOEXEC));
        if (loop) {
            ::ioctl(loop.get(), LOOP_CLR_FD);
        }
    }
}

}  // namespace resilience::nbdcrash
