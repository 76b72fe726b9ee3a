// SPDX-License-Identifier: BSD-3-Clause

// Whatever changes the content, and flushes: done to both sides at the same
// time, alone on the range.

#include <cerrno>

#include "common/device/pieces.h"
#include "filters/blkverify/verify_device.h"

namespace resilience::blkverify {

int VerifyDevice::modify(const Request& request, std::uint32_t connection)
{
    return in_pieces(request, [&](Request& piece) {
        return modify_piece(request, piece, connection);
    });
}

int VerifyDevice::modify_piece(const Request& original, Request& piece, std::uint32_t connection)
{
    const RangeLock::Guard guard = lock(piece, LockMode::exclusive);
    if (!guard) {
        return EIO;
    }
    if (!reference_.present() && options_.on_mismatch != OnMismatch::report) {
        count(statistics_.of(original.op).not_comparable);
        return EIO;  // nothing was changed on either side
    }
    return conclude(original, piece, modify_both(piece, original.op), connection);
}

VerifyDevice::Outcome VerifyDevice::modify_both(Request& piece, Op counted)
{
    std::optional<int> test;
    if (piece.flags.fast_zero) {
        // "Not fast" promises that nothing was changed, and it is the device
        // under test that knows.
        test = on_test(piece, counted);
        if (*test == ENOTSUP) {
            return {ENOTSUP, ENOTSUP, 0};
        }
    }
    if (!reference_.present()) {
        return {test ? *test : on_test(piece, counted), std::nullopt, 0};
    }
    Request copy = piece;
    copy.flags.fast_zero = false;
    ReferenceCall call(reference_, copy);
    return finish(counted, call, test ? *test : on_test(piece, counted));
}

/// Notes what is the same now, and what need not be; compares the results.
int VerifyDevice::conclude(const Request& original, const Request& piece, const Outcome& outcome,
                           std::uint32_t connection)
{
    const ByteRange range{piece.offset, piece.end()};
    if (piece.flags.fast_zero && outcome.test == ENOTSUP) {
        return ENOTSUP;
    }
    history_.add({std::chrono::system_clock::now(), original.op, range, connection, outcome.test,
                  outcome.reference});
    if (outcome.test == 0 && outcome.reference == 0) {
        count(statistics_.of(original.op).compared);
        reference_.wrote(range, outcome.epoch, piece.flags.fua);
        return 0;
    }
    // A part of it may be on either side, whoever has failed.
    reference_.distrust(range);
    if (!outcome.reference) {
        count(statistics_.of(original.op).not_comparable);
        return options_.on_mismatch == OnMismatch::report ? outcome.test : EIO;
    }
    count(statistics_.of(original.op).compared);
    return judge(original.op, piece, outcome, connection);
}

int VerifyDevice::flush(Request& request, std::uint32_t connection)
{
    OperationStatistics& statistics = statistics_.of(Op::flush);
    if (!reference_.present()) {
        count(statistics.not_comparable);
        return options_.on_mismatch == OnMismatch::report ? on_test(request, Op::flush) : EIO;
    }
    const std::uint64_t epoch = reference_.epoch();
    const UnflushedMap::Taken taken = reference_.flush_begins();
    ReferenceCall call(reference_, request);
    const int test = on_test(request, Op::flush);
    const Outcome outcome = finish(Op::flush, call, test);
    reference_.flush_ends(taken, epoch, outcome.reference == 0);
    if (!outcome.reference) {
        count(statistics.not_comparable);
        return options_.on_mismatch == OnMismatch::report ? test : EIO;
    }
    count(statistics.compared);
    return judge(Op::flush, request, outcome, connection);
}

}  // namespace resilience::blkverify
