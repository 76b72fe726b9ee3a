// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The life of a replica, as one printable table.
//
//                 +-- answered ---------------+
//                 v                           |
//              online -- missed_deadline --> suspect -- grace_over --> aside
//                 |  ^                        |                        ^  |
//                 |  +---- answered -------------------------------------+
//                 +------- link_lost ---------+------------------------+
//
// online   takes part: is asked, votes, counts.
// suspect  missed a deadline.  It is asked nothing new, so that nobody waits
//          for it a second time, and what it misses is marked stale.
// aside    set aside: it kept silent for a second deadline, or its connection
//          is gone.  Treated like suspect; the difference is for people.
//
// `answered` means: every request that it owes an answer has come back (a
// request that was abandoned may still be *executed* at any time, so as long as
// one is out nothing that we copy there would be safe), and its link is up.
//
// Being stale is not a state: an online child can be stale in some ranges.

#include <cstdint>
#include <string_view>

namespace resilience {

enum class ChildState : std::uint8_t { online, suspect, aside };

enum class ChildEvent : std::uint8_t {
    missed_deadline,  ///< a request was abandoned
    grace_over,       ///< suspect for another timeout
    link_lost,        ///< the connection broke
    answered,         ///< owes no answer any more, and is reachable
};

/// The state after `event`; the same state where the event changes nothing.
ChildState next_state(ChildState state, ChildEvent event);

std::string_view to_string(ChildState state);
std::string_view to_string(ChildEvent event);

}  // namespace resilience
