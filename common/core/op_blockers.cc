// SPDX-License-Identifier: BSD-3-Clause
#include "common/core/op_blockers.h"

#include <array>

#include <fmt/format.h>

namespace resilience {

namespace {

struct Rule {
    Command command;
    Activity activity;
    /// {0} is what the activity is about.
    const char* reason;
};

constexpr std::array rules{
    Rule{Command::snapshot, Activity::quorum,
         "A snapshot of a quorum is not possible: snapshot the storage below each child"},
    // QEMU's own sentence.
    Rule{Command::add_child, Activity::blkverify_mode,
         "Cannot add a child to a quorum in blkverify mode"},
    Rule{Command::remove_child, Activity::resync_of_child,
         "Child '{0}' cannot be removed while its resync runs: wait for the end of the resync, "
         "or cancel it with resync-cancel"},
    Rule{Command::add_child, Activity::membership_change,
         "Another child is being added or removed: try again when that has ended"},
    Rule{Command::snapshot, Activity::replication,
         "Node '{0}' is busy: Block device is in use by replication"},
    Rule{Command::block_job, Activity::replication,
         "Node '{0}' is busy: Block device is in use by replication"},
    Rule{Command::remove_child, Activity::membership_change,
         "Another child is being added or removed: try again when that has ended"},
};

/// Activities that forbid a command only when both are about the same child.
constexpr bool concerns_one_child(Activity activity)
{
    return activity == Activity::resync_of_child;
}

}  // namespace

std::optional<std::string> blocked(Command command, std::string_view subject,
                                   std::span<const Running> running)
{
    for (const Running& now : running) {
        for (const Rule& rule : rules) {
            const bool same = !concerns_one_child(now.activity) || now.subject == subject;
            if (rule.command == command && rule.activity == now.activity && same) {
                return fmt::format(fmt::runtime(rule.reason), now.subject);
            }
        }
    }
    return std::nullopt;
}

}  // namespace resilience
