// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The begin of a session: hello, what the pair's rules say of the answer, and
// what this secondary lacks.
//
// That is settled before anything is sent: everything, or what either side has
// changed (the change maps), or, if it is the same process as before, what was on
// its way when it was lost.  It is marked in the change map, durably, and in the
// stream; so all that the guest writes meanwhile is known to be missed, too.

#include <cstdint>
#include <string>

#include "filters/replication/pair/options.h"
#include "filters/replication/primary/device.h"
#include "filters/replication/primary/dialog.h"

namespace resilience::replication {

/// For one thread.
class Handshake {
public:
    /// What came of it.
    struct Result {
        enum class Then : std::uint8_t {
            retry,     ///< go on without it, ask again later
            fenced,    ///< acknowledge nothing any more
            accepted,  ///< the session has begun, and replication runs there
        };
        Then then = Then::retry;
        std::string text;     ///< the reason, unless accepted
        bool full = false;    ///< the secondary needs everything
        wire::Status answer;  ///< to hello
    };

    /// All must outlive it.
    Handshake(const Options& options, PrimaryDevice& device, Dialog& dialog);

    /// Asks once, in the foreground, and hangs up.  Returns why this side must
    /// not serve; empty if it may.  `accepted`: whether the secondary was heard.
    std::string first_contact(bool& accepted);

    Result begin();

    /// The checkpoint that the secondary surely has: one that shows an older one
    /// has lost its disk, and gets everything.
    std::uint64_t base() const { return base_; }
    /// `checkpoint` is that now, durably.
    void rebase(std::uint64_t checkpoint) { base_ = checkpoint; }

private:
    bool say_hello(wire::Status& answer);
    Judgement judge_answer(const wire::Status& answer) const;
    bool settle_differences(const wire::Status& answer, bool full);
    bool take_map(const wire::Status& answer);

    const Options& options_;
    PrimaryDevice& device_;
    Dialog& dialog_;
    std::uint64_t base_ = 0;
    std::uint64_t instance_ = 0;  ///< of the secondary whose memory we know; 0: none
};

}  // namespace resilience::replication
