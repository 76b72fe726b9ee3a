// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What is known about the durability of a file, kept honest.
//
// When writing back a dirty page fails, Linux reports it once per open file,
// to the next fdatasync or O_DSYNC write, and then may drop the page or mark
// it clean.  Two lies follow if nothing is done about it:
//
//  1. The next fdatasync succeeds although the data are gone.  So the first
//     failure is remembered, and every later flush fails with it until the
//     file is opened (and its content compared or copied) again.
//
//  2. Of two syncs that run at the same time only one is told.  The other
//     returns success, perhaps for the very data that were lost.  So a sync
//     that has succeeded waits for those that were under way at that moment,
//     and only then looks at what has become known.

#include <condition_variable>
#include <functional>
#include <mutex>
#include <set>

namespace resilience {

/// Runs the syncs of one open file.  Thread-safe.
class SyncLedger {
public:
    /// Runs `sync`, which returns 0 or a positive errno, unless the file is
    /// already known to have lost data.  Returns 0 only if it can be relied
    /// on.  `sync` may run at the same time on several threads.
    int run(const std::function<int()>& sync);

    /// The first failure, or 0.
    int failure() const;

private:
    mutable std::mutex mutex_;
    std::condition_variable ended_;
    std::set<unsigned long> under_way_;  ///< tickets, ascending in time
    unsigned long next_ticket_ = 0;
    int failure_ = 0;
};

}  // namespace resilience
