// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Several disks of one machine that start, checkpoint, stop and fail over
// together: all, or none of them.
//
// Each disk has a server of its own, and knows the control sockets of the
// others.  Whoever is asked asks all of them to get ready (they check, and hold
// their I/O), and only when all are ready tells all of them to do it.  Until
// then giving up costs nothing.
//
// Whoever asked may die in between.  A member that was made ready and hears
// nothing more asks the others whether they were told to do it, and does so,
// too, or else lets go.  Nobody is told to do it later than half of the time
// that members wait, so no two of them can decide differently.
//
// What this cannot undo: a member that fails at the very last step.  It is said
// then which of them has not done it.  A primary makes the checkpoint of all as
// soon as the other side is back; and each secondary keeps which checkpoint of
// the group it has, so that a failover before that is refused (without force),
// rather than showing disks of different moments.

#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/control/command_table.h"
#include "common/thread/background_thread.h"
#include "filters/replication/pair/options.h"
#include "filters/replication/pair/side.h"

namespace resilience::replication {

/// Thread-safe.
class Group {
public:
    Group(const Options& options, Side& side) : options_(options), side_(side) {}
    Group(const Group&) = delete;
    Group& operator=(const Group&) = delete;
    ~Group() { stop(); }

    /// The commands that members use among themselves.
    void add_commands(CommandTable& table);
    /// Starts the thread that ends what nobody ends.
    void start();
    void stop();

    /// Carries `asked` out on this disk and all others of the group.  Throws
    /// CommandError; then none has done it, unless the text says other.
    void run(const Asked& asked);
    /// A checkpoint by itself.  Returns what is wrong; empty if nothing is.
    std::string checkpoint();

private:
    struct Member;
    enum class Outcome : std::uint8_t { unknown, committed, dropped };

    /// False: something else is being done with the group, and it is not the
    /// last try.
    bool run_once(const Asked& asked, bool last_try);
    void prepare_all(std::vector<Member>& members, const std::string& token, const Asked& asked,
                     TimePoint decide_until);
    void drop_all(std::vector<Member>& members, const std::string& token);
    void commit_all(std::vector<Member>& members, const std::string& token);
    bool is_this(const Member& member) const;
    void prepare(const std::string& token, Asked asked);
    void compare_moments(const std::string& theirs, const std::string& socket) const;
    void commit(const std::string& token);
    void drop(const std::string& token);
    Outcome outcome(const std::string& token);
    void note(const std::string& token, Outcome outcome);
    std::optional<TimePoint> watch();
    bool others_have_committed(const std::string& token) const;

    const Options& options_;
    Side& side_;
    std::mutex mutex_;                    ///< what follows, but for the thread
    std::string token_;                   ///< of what is prepared; empty: nothing is
    std::unique_ptr<Prepared> prepared_;  ///< null also if it is to be ignored
    TimePoint expires_{};
    std::deque<std::pair<std::string, Outcome>> outcomes_;  ///< the last ones
    BackgroundThread watcher_{"repl-group",
                              [this](const std::atomic<bool>&) { return watch(); }};
};

}  // namespace resilience::replication
