// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Asking the plugin below a filter what it is, before the server serves.
//
// In `.get_ready` there is no connection, so `next` can only be opened as a
// shared context, in which the plugin learns no export name.  Most plugins do
// not mind; some refuse; nbdkit's own `file dir=` dereferences a null pointer;
// and one whose server is frozen never returns.  None of that may happen to
// the server itself.  So a forked process asks and sends the answers back, and
// every end it may come to becomes a message for the person who started us.
// The process has one thread in `.get_ready`, which is what makes fork() safe
// here and the plugin's thread model irrelevant.

#include <chrono>
#include <string>

#include "common/core/setup_error.h"
#include "common/nbdkit/next_calls.h"

namespace resilience {

/// Who is asking, for messages.
struct ProbeUser {
    std::string name;         ///< the filter's
    std::string alternative;  ///< what to use instead of this filter; may be empty
};

/// Opens what is below the filter, asks it everything (see learn) and closes
/// it again, in a process of its own that lives at most `limit`.  Throws
/// SetupError.  Only in `.get_ready`.
NextFacts probe_next(nbdkit_backend* backend, const ProbeUser& user,
                     std::chrono::milliseconds limit);

}  // namespace resilience
