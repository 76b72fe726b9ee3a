// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Which requests may run now, and which have to wait for earlier ones.
//
// NBD, and nbdkit, give no order to requests that overlap.  A single disk does
// not care: whichever write comes last wins.  N replicas do: without an order
// that is the same for all of them, two overlapping writes end up one way on
// one replica and the other way on the next, for ever.  (Measured: a plain
// three-way mirror diverged in two of five runs.)
//
// The rule: a request runs when no *earlier* request that overlaps it, and of
// which at least one of the two changes something, is still there, be it
// running or waiting.  So nobody overtakes, writers are not starved by readers,
// and the order is the order of arrival.
//
// This is pure logic; RangeLock (common/device) makes threads wait on it.

#include <cstddef>
#include <cstdint>
#include <list>
#include <vector>

namespace resilience {

enum class LockMode : std::uint8_t { shared, exclusive };

class RangeLockTable {
public:
    /// A request in the table.  Stays valid until remove().
    struct Entry {
        std::uint64_t begin = 0;
        std::uint64_t end = 0;
        LockMode mode = LockMode::shared;
        bool granted = false;
    };
    using Handle = std::list<Entry>::iterator;

    /// Enters a request for bytes [begin, end) behind those already there.
    /// handle->granted tells whether it may run at once.
    Handle add(std::uint64_t begin, std::uint64_t end, LockMode mode);

    /// Takes a request out, whether it ran or gave up waiting.  Returns how
    /// many others may run now; their `granted` has been set.
    std::size_t remove(Handle handle);

    std::size_t size() const { return entries_.size(); }

private:
    bool must_wait(Handle handle);

    std::list<Entry> entries_;  // in the order of arrival
};

}  // namespace resilience
