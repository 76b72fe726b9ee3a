// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <string>

#include "filters/blkverify/mismatch.h"

namespace resilience::blkverify {

/// Told what people want to know.  Called from any thread, without locks that
/// anybody else waits for but the range's; must not block.
class Observer {
public:
    virtual ~Observer() = default;
    /// The two sides differ.  With OnMismatch::exit it ends the process; if it
    /// returns, the request fails with EIO.
    virtual void mismatch(const Mismatch&) {}
    /// The reference does not answer, or its link was lost; told once until it
    /// is back.  With OnMismatch::exit it ends the process.
    virtual void reference_lost(const std::string& /*reason*/) {}
    /// It answers again; `untrusted` bytes are not compared until written again.
    virtual void reference_back(std::uint64_t /*untrusted*/) {}
};

}  // namespace resilience::blkverify
