// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Where the mounts of one worker are: a folder, and for root a mount namespace
// of its own.
//
// Whatever is mounted in the namespace, by us or by a checker, nobody else
// sees, and it is gone with the last process in it, even if this one is killed.
// Between two checks, what a checker has mounted and not unmounted is taken
// down, and loop devices over our files are detached.

#include <set>
#include <string>

namespace resilience::nbdcrash {

/// Made, used and destroyed by one thread, which is the worker's; the namespace
/// is that thread's, and its children's.
class MountSpace {
public:
    /// Throws SetupError if there is no folder for temporary files.
    explicit MountSpace(const std::string& name);
    MountSpace(const MountSpace&) = delete;
    MountSpace& operator=(const MountSpace&) = delete;
    ~MountSpace();

    /// A folder that is there for this worker alone.
    const std::string& folder() const { return folder_; }
    /// The folder for the mount, inside.
    std::string mount_folder() const { return folder_ + "/mnt"; }
    /// Whether nobody else sees the mounts.
    bool is_private() const { return private_; }

    /// All that is mounted now is meant to stay.
    void keep_mounts();
    /// Takes down what else is mounted since then.
    void clean();

private:
    std::set<std::string> mounts() const;
    void detach_loops() const;

    std::string folder_;
    bool private_ = false;
    std::set<std::string> kept_;
};

}  // namespace resilience::nbdcrash
