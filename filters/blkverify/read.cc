// SPDX-License-Identifier: BSD-3-Clause

// Reads: both sides are asked at the same time, or one after the other on this
// thread where the reference is a cached file, and the answers are compared.

#include <cerrno>
#include <utility>

#include "common/core/compare.h"
#include "common/core/errno_map.h"
#include "filters/blkverify/verify_device.h"

namespace resilience::blkverify {

namespace {

/// Whether the two failed in the same way, as far as NBD can tell: one of them
/// may have come through a server that has few words for errors.
bool same_result(int test, int reference)
{
    return test == reference ||
           (test != 0 && reference != 0 && nbd_errno(test) == nbd_errno(reference));
}

}  // namespace

int VerifyDevice::read(Request& request, std::uint32_t connection)
{
    if (sampler_.next()) {
        return read_both(request, connection);
    }
    count(statistics_.of(Op::read).not_sampled);
    return on_test(request, Op::read);
}

/// A read that cannot be compared, because the reference is away.
int VerifyDevice::read_uncompared(Request& request)
{
    count(statistics_.of(Op::read).not_comparable);
    return options_.on_mismatch == OnMismatch::report ? on_test(request, Op::read) : EIO;
}

int VerifyDevice::read_both(Request& request, std::uint32_t connection)
{
    const RangeLock::Guard guard = lock(request, LockMode::shared);
    if (!guard) {
        return EIO;
    }
    if (!reference_.present()) {
        return read_uncompared(request);
    }
    ReferenceCall call(reference_, request);
    const int test = on_test(request, Op::read);
    const Outcome outcome = finish(Op::read, call, test);
    if (!outcome.reference) {
        count(statistics_.of(Op::read).not_comparable);
        return options_.on_mismatch == OnMismatch::report ? test : EIO;
    }
    return compare(request, call, outcome, connection);
}

int VerifyDevice::compare(const Request& request, const ReferenceCall& call, Outcome outcome,
                          std::uint32_t connection)
{
    OperationStatistics& statistics = statistics_.of(Op::read);
    const ByteRange range{request.offset, request.end()};
    // First what is trusted, then the epoch: a link that was lost before the
    // reference answered shows in one of them.
    const std::vector<ByteRange> trusted = reference_.trusted(range);
    const bool comparable = reference_.epoch() == outcome.epoch && !trusted.empty();
    const bool wholly = comparable && trusted.front() == range;
    const bool failed = outcome.test != 0 || *outcome.reference != 0;
    if (!comparable || (failed && !wholly)) {
        count(statistics.not_comparable);
        return outcome.test;
    }
    count(statistics.compared);
    if (failed) {
        return judge(Op::read, request, outcome, connection);
    }
    for (const ByteRange part : trusted) {
        const std::size_t at = part.begin - request.offset;
        const auto first = first_difference(request.into.subspan(at, part.length()),
                                            call.data().subspan(at, part.length()));
        count(statistics.compared_bytes, part.length());
        if (!first) {
            continue;
        }
        Mismatch mismatch;
        mismatch.range = range;
        mismatch.connection = connection;
        describe_contents(mismatch, request.into, call.data(), at + *first);
        const std::uint64_t sector = mismatch.position - mismatch.position % sector_size;
        mismatch.history = history_.of({sector, sector + sector_size}, most_changes_shown);
        return report(std::move(mismatch), 0);
    }
    return 0;
}

/// Compares what the two sides answered to a request that one of them failed,
/// or that brings no data.
int VerifyDevice::judge(Op op, const Request& request, const Outcome& outcome,
                        std::uint32_t connection)
{
    if (same_result(outcome.test, *outcome.reference)) {
        return outcome.test;
    }
    Mismatch mismatch;
    mismatch.op = op;
    mismatch.kind = Kind::result;
    mismatch.range = {request.offset, request.end()};
    mismatch.connection = connection;
    mismatch.test = outcome.test;
    mismatch.reference = *outcome.reference;
    mismatch.history = history_.of(mismatch.range, most_changes_shown);
    return report(std::move(mismatch), outcome.test);
}

}  // namespace resilience::blkverify
