// SPDX-License-Identifier: BSD-3-Clause
#include "filters/blkverify/verify_device.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fmt/format.h>


namespace resilience::blkverify {

namespace {

constexpr std::chrono::milliseconds housekeeping_interval{50};

/// As the device under test, but for what would make a comparison unfair.
Capabilities with_reference(Capabilities all, const Options& options)
{
    all.writable = all.writable && !options.read_only;
    all.trim = all.trim && all.zero;  // a trim is sent as a zero
    return all;
}

const std::shared_ptr<Device>& checked(const std::shared_ptr<Device>& reference,
                                       const Device& test, const Options& options)
{
    if (reference->size() != test.size()) {
        throw SetupError(fmt::format(
            "blkverify-raw: the two sides differ in size: the device under test has {} bytes, the "
            "reference '{}' has {} bytes; both must have the same size",
            test.size(), reference->describe(), reference->size()));
    }
    const bool written = test.capabilities().writable && !options.read_only;
    if (written && !reference->capabilities().writable) {
        throw SetupError(fmt::format(
            "blkverify-raw: the reference '{}' is read-only, and the device under test is not; "
            "make it writable, or say blkverify-read-only=true",
            reference->describe()));
    }
    return reference;
}

}  // namespace

VerifyDevice::VerifyDevice(Options options, std::shared_ptr<Device> test,
                           std::shared_ptr<Device> reference, Observer& observer, Clock& clock)
    : BlockingDevice("blkverify"), options_(std::move(options)), test_(std::move(test)),
      observer_(observer), clock_(clock),
      reference_(checked(reference, *test_, options_), options_.timeout, observer, clock),
      capabilities_(with_reference(test_->capabilities(), options_)),
      alignment_(std::max<std::uint64_t>({1, test_->block_limits().minimum,
                                          reference->block_limits().minimum})),
      range_lock_(clock), sampler_(options_.sample),
      housekeeping_("blkverify", [this](const auto&) {
          housekeep();
          return real_clock().now() + housekeeping_interval;
      })
{
}

VerifyDevice::~VerifyDevice()
{
    stop(std::chrono::seconds(1));
}

int VerifyDevice::execute_for(Request& request, std::uint32_t connection)
{
    count(statistics_.of(request.op).requests);
    if (modifies(request.op)) {
        return capabilities_.writable ? modify(request, connection) : EROFS;
    }
    switch (request.op) {
    case Op::read: return read(request, connection);
    case Op::flush: return flush(request, connection);
    default: return on_test(request, request.op);  // extents, cache: the reference has no part in them
    }
}

int VerifyDevice::on_test(Request& request, Op counted)
{
    OperationStatistics& statistics = statistics_.of(counted);
    const TimePoint begun = clock_.now();
    const int error = test_->execute(request);
    statistics.test_time.add(clock_.now() - begun);
    if (error != 0) {
        count(statistics.test_errors);
    }
    return error;
}

/// The range that a request may touch on either side: whole blocks.
RangeLock::Guard VerifyDevice::lock(const Request& request, LockMode mode)
{
    const std::uint64_t begin = request.offset - request.offset % alignment_;
    const std::uint64_t end = request.end() + (alignment_ - request.end() % alignment_) % alignment_;
    // A holder takes as long as the device under test does, and the timeout.
    // Reaching this deadline takes a device that hangs: an error beats a hang.
    return range_lock_.acquire(begin, end, mode, clock_.now() + 20 * options_.timeout);
}

VerifyDevice::Outcome VerifyDevice::finish(Op counted, ReferenceCall& call, int test)
{
    OperationStatistics& statistics = statistics_.of(counted);
    const Outcome outcome{test, call.finish(), call.epoch()};
    if (outcome.reference) {
        statistics.reference_time.add(call.duration());
        if (*outcome.reference != 0) {
            count(statistics.reference_errors);
        }
    }
    return outcome;
}

int VerifyDevice::report(Mismatch mismatch, int test_result)
{
    count(statistics_.of(mismatch.op).mismatches);
    mismatch.time = std::chrono::system_clock::now();
    mismatch.number = mismatches_.add(mismatch);
    observer_.mismatch(mismatch);
    return options_.on_mismatch == OnMismatch::report ? test_result : EIO;
}

void VerifyDevice::housekeep()
{
    reference_.housekeep();
    if (test_->link() == Link::returned) {
        test_->resume();  // it is judged by what it returns, whatever happened to it
    }
}

void VerifyDevice::start()
{
    BlockingDevice::start();
    reference_.device().start();
    test_->start();
    housekeeping_.start();
}

void VerifyDevice::stop(std::chrono::milliseconds limit)
{
    reference_.stopping();
    housekeeping_.stop(BackgroundThread::no_limit);  // it never waits for a device
    BlockingDevice::stop(limit);
    test_->stop(limit);
    reference_.device().stop(limit);
}

}  // namespace resilience::blkverify
