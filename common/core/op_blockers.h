// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Which operations exclude each other, for all filters, in one table.
//
// An operation that runs is an Activity.  Before a Command is carried out its
// filter asks whether something that runs forbids it, and refuses with the
// reason.  (QEMU calls this op blockers.)

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace resilience {

/// What somebody asks for.
enum class Command : std::uint8_t {
    add_child,
    remove_child,
    start_resync,
    snapshot,
    block_job,  ///< backup, mirror, commit, stream, resize
};

/// What is going on (always, for `quorum`: the device is a quorum).  For
/// `replication` the subject is the disk's name.
enum class Activity : std::uint8_t {
    quorum,             ///< the device is a quorum: a snapshot of it has no meaning
    blkverify_mode,     ///< the quorum compares exactly two children
    resync_of_child,    ///< a resync runs on the child that the command is about
    membership_change,  ///< a child is being added or removed
    replication,        ///< a secondary runs or is failing over, a primary runs
};

/// One thing that goes on; `subject` is the child's name where there is one.
struct Running {
    Activity activity;
    std::string subject;
};

/// The reason why `command`, about `subject`, cannot be carried out while
/// `running` goes on, as a sentence for people; nullopt when nothing forbids it.
std::optional<std::string> blocked(Command command, std::string_view subject,
                                   std::span<const Running> running);

}  // namespace resilience
