// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <functional>

#include "filters/replication/pair/side.h"
#include "filters/replication/secondary/core.h"

namespace resilience::replication {

/// An action of the secondary that is ready: all I/O is held back while this
/// lives, until let_go().
class Held final : public Prepared {
public:
    /// `durable`: what the primary has written before is durable then.  Throws
    /// CommandError.
    Held(Core& core, bool durable);

    void commit() override { then(*this); }
    /// I/O goes on.
    void let_go();

    std::function<void(Held&)> then;

private:
    Core& core_;
    RangeLock::Guard guard_;
    TimePoint began_;
};

}  // namespace resilience::replication
