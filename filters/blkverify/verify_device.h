// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A device under test, and beside it a reference that is known to be right.
//
// Clients see the device under test; whatever they do is done to both, and what
// the two answer is compared.  The one thing that makes a verifier useless is a
// false alarm, so most of what is here is about what must not be compared:
//
//   * Overlapping requests are serialised by a range lock: otherwise the two
//     sides may carry them out in different orders, and differ for ever.
//   * A trim goes to both as a write of zeroes that may unmap.  After a real
//     trim a device may return what it likes, and the two may legally differ.
//   * What a failed write has left, and what the reference has missed, is
//     untrusted (reference.h) until both have been written again.
//   * Both failing in the same way is no mismatch: it is an error.
//
// The device under test is used on the client's thread, as if nothing were in
// between: when it hangs, its clients hang, as they would without us.  The
// reference must never do that to them, so it has a deadline (reference.h).
//
// A read that is not compared (see Sampler) costs nothing: no lock, no copy.

#include <cstdint>
#include <memory>
#include <optional>

#include "common/device/blocking_device.h"
#include "common/device/range_lock.h"
#include "common/thread/background_thread.h"
#include "filters/blkverify/history.h"
#include "filters/blkverify/mismatch.h"
#include "filters/blkverify/observer.h"
#include "filters/blkverify/options.h"
#include "filters/blkverify/reference.h"
#include "filters/blkverify/sampler.h"
#include "filters/blkverify/statistics.h"

namespace resilience::blkverify {

/// Made by std::make_shared only.  All members are safe to call from any thread.
class VerifyDevice final : public BlockingDevice {
public:
    /// Throws SetupError if the two sides do not fit together.
    VerifyDevice(Options options, std::shared_ptr<Device> test, std::shared_ptr<Device> reference,
                 Observer& observer, Clock& clock = real_clock());
    ~VerifyDevice() override;

    const Options& options() const { return options_; }
    Device& test() const { return *test_; }
    const Reference& reference() const { return reference_; }
    const Statistics& statistics() const { return statistics_; }
    MismatchList& mismatches() { return mismatches_; }

    /// Carries out a request of a client, whose number is for the records.
    int execute_for(Request& request, std::uint32_t connection);

    /// One round of what start()'s thread does, for tests.
    void housekeep();

    // ---- Device

    std::string describe() const override { return test_->describe(); }
    std::uint64_t size() const override { return test_->size(); }
    Capabilities capabilities() const override { return capabilities_; }
    BlockLimits block_limits() const override { return test_->block_limits(); }
    int execute(Request& request) override { return execute_for(request, 0); }
    void start() override;
    void stop(std::chrono::milliseconds limit) override;

private:
    /// What the two sides answered to one request.
    struct Outcome {
        int test = 0;
        std::optional<int> reference;  ///< nullopt: it is away
        std::uint64_t epoch = 0;       ///< of the reference, when it was asked
    };

    /// `counted`: the operation in whose statistics it stands.
    int on_test(Request& request, Op counted);
    int read(Request& request, std::uint32_t connection);
    int read_both(Request& request, std::uint32_t connection);
    int read_uncompared(Request& request);
    int compare(const Request& request, const ReferenceCall& call, Outcome outcome,
                std::uint32_t connection);
    int flush(Request& request, std::uint32_t connection);
    int modify(const Request& request, std::uint32_t connection);
    int modify_piece(const Request& original, Request& piece, std::uint32_t connection);
    Outcome modify_both(Request& piece, Op counted);
    int conclude(const Request& original, const Request& piece, const Outcome& outcome,
                 std::uint32_t connection);
    int judge(Op op, const Request& request, const Outcome& outcome, std::uint32_t connection);
    int report(Mismatch mismatch, int test_result);
    RangeLock::Guard lock(const Request& request, LockMode mode);
    Outcome finish(Op counted, ReferenceCall& call, int test);

    const Options options_;
    const std::shared_ptr<Device> test_;
    Observer& observer_;
    Clock& clock_;
    Reference reference_;
    Capabilities capabilities_;
    const std::uint64_t alignment_;
    RangeLock range_lock_;
    Sampler sampler_;
    Statistics statistics_;
    History history_;
    MismatchList mismatches_;

    BackgroundThread housekeeping_;
};

}  // namespace resilience::blkverify
