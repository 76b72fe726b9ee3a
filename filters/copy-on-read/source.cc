// SPDX-License-Identifier: BSD-3-Clause
#include "filters/copy-on-read/source.h"

#include <algorithm>
#include <cerrno>
#include <deque>

#include <fmt/format.h>
#include <xxhash.h>

#include "common/core/log.h"
#include "common/device/pending.h"

namespace resilience::cor {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds poll_interval{50};
constexpr milliseconds probe_interval{500};
constexpr milliseconds open_interval{2000};
constexpr milliseconds try_interval{1000};

constexpr std::uint64_t sample_count = 16;
constexpr std::uint64_t sample_alignment = 64 << 10;  ///< no minimum block size is larger
constexpr std::uint64_t smallest_sample = 4096;

/// A read of a sample at `offset`.
Request sample_request(const Device& device, std::uint64_t offset)
{
    Request request;
    request.offset = offset;
    request.length = std::min<std::uint64_t>(
        device.size(), std::max<std::uint64_t>(smallest_sample, device.block_limits().minimum));
    return request;
}

}  // namespace

std::optional<std::uint64_t> take_fingerprint(Device& device, TimePoint deadline, int& error)
{
    const std::uint64_t last = device.size() - sample_request(device, 0).length;
    std::deque<Pending> samples;
    for (std::uint64_t i = 0; i < sample_count; i++) {
        const std::uint64_t at = last / (sample_count - 1) * i;
        samples.emplace_back(device,
                             sample_request(device, at / sample_alignment * sample_alignment));
    }
    std::uint64_t hash = device.size();
    for (Pending& sample : samples) {
        const std::optional<int> result = sample.wait_until(deadline);
        if (result != 0) {
            error = result.value_or(ETIMEDOUT);
            return std::nullopt;
        }
        hash = XXH3_64bits_withSeed(sample.data().data(), sample.data().size(), hash);
    }
    return hash;
}

Source::Source(Setup setup, Reporter& reporter, Counters& counters)
    : setup_(std::move(setup)), reporter_(reporter), counters_(counters), device_(setup_.device),
      fingerprint_(setup_.fingerprint)
{
}

Source::~Source() { stop(milliseconds(100)); }

void Source::start()
{
    if (device_) {
        device_->start();
    } else {
        lose("it could not be opened yet");
    }
    if (setup_.background) {
        thread_.start();
    }
}

void Source::stop(milliseconds limit)
{
    std::shared_ptr<Device> device;
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        closed_ = true;
        device = std::exchange(device_, nullptr);
        changed_.notify_all();
    }
    if (device) {
        device->stop(limit);
    }
    // It waits for nothing without a deadline of the same order.
    thread_.stop(BackgroundThread::no_limit);
}

void Source::close()
{
    closed_ = true;  // turn() does the rest
    changed_.notify_all();
    thread_.wake();
}

std::shared_ptr<Device> Source::device() const
{
    const std::lock_guard lock(mutex_);
    return device_;
}

Capabilities Source::capabilities() const
{
    const auto device = this->device();
    return device ? device->capabilities() : Capabilities{.extents = true};
}

std::string Source::refusal() const
{
    const std::lock_guard lock(mutex_);
    return refusal_;
}

void Source::lose(const std::string& why)
{
    if (!closed_ && !away_.exchange(true)) {
        reporter_.source_lost(setup_.name, why);
    }
}

void Source::refuse(const std::string& why)
{
    {
        const std::lock_guard lock(mutex_);
        refusal_ = why;
    }
    if (!refused_.exchange(true)) {
        reporter_.source_refused(why);
    }
}

void Source::answered()
{
    if (away_.load(std::memory_order_relaxed) && away_.exchange(false)) {
        reporter_.source_returned(setup_.name);
    }
}

void Source::timed_out()
{
    counters_.timeouts++;
    lose(fmt::format("it did not answer within {} ms", setup_.timeout.count()));
}

int Source::ready(TimePoint deadline)
{
    if (refused_ || closed_) {
        return EIO;
    }
    if (away_) {
        // Without a thread of our own, a request in a while has to try.
        const std::lock_guard lock(mutex_);
        if (setup_.background || real_clock().now() < next_try_) {
            return EIO;
        }
        next_try_ = real_clock().now() + try_interval;
    }
    return trusted_ ? 0 : check_content(deadline);
}

int Source::check_content(TimePoint deadline)
{
    std::unique_lock lock(mutex_);
    changed_.wait_until(lock, deadline, [this] { return !checking_; });
    if (trusted_ || refused_ || checking_ || !device_) {
        return trusted_ ? 0 : EIO;
    }
    checking_ = true;
    std::uint64_t epoch = 0;
    const std::shared_ptr<Device> device = device_;
    const std::optional<std::uint64_t> expected = fingerprint_;
    lock.unlock();

    int error = 0;
    std::optional<std::uint64_t> taken;
    do {
        epoch = epoch_;
        taken = take_fingerprint(*device, deadline, error);
    } while ((!taken && link_returns(error, deadline)) || (taken && epoch != epoch_));
    if (taken && expected && *taken != *expected) {
        refuse(fmt::format("the content of the source '{}' is not what was copied (samples of it "
                           "have the checksum {:016x}, they had {:016x}); bring the right source "
                           "back, or remove cor-file and its map to start again",
                           setup_.name, *taken, *expected));
        error = EIO;
    } else if (taken && !expected) {
        setup_.keep(*taken);
    } else if (error == ETIMEDOUT) {
        timed_out();
    }
    lock.lock();
    checking_ = false;
    if (taken && !refused_) {
        fingerprint_ = taken;
        trusted_ = epoch == epoch_;
    }
    changed_.notify_all();
    return trusted_ ? 0 : EIO;
}

void Source::submit(std::shared_ptr<Request> request, Completion done)
{
    // A connection that is made while we are here may lead to another image:
    // what was answered since then does not count.
    const std::uint64_t epoch = epoch_;
    const auto device = this->device();
    if (!device || !trusted_) {
        done(ENOTCONN);
        return;
    }
    const auto judged = [this, epoch](int error) {
        return error == 0 && epoch != epoch_ ? ENOTCONN : error;
    };
    // What needs no waiting (a file in the page cache) is not worth a switch of threads.
    if (device->immediate(request->op)) {
        if (const std::optional<int> error = device->execute_now(*request)) {
            done(judged(*error));
            return;
        }
    }
    device->submit(std::move(request),
                   [judged, done = std::move(done)](int error) { done(judged(error)); });
}

int Source::ask(const Request& request, TimePoint deadline, ExtentList& extents)
{
    for (;;) {
        const std::uint64_t epoch = epoch_;  // as in submit()
        const auto device = this->device();
        std::optional<int> error = ENOTCONN;
        ExtentList found;
        if (device && trusted_) {
            Pending asked(*device, request);
            error = asked.wait_until(deadline);
            if (error == 0) {
                found = asked.take_extents();
                error = epoch != epoch_ ? ENOTCONN : 0;
            }
        }
        if (!error) {
            timed_out();
            return EIO;
        }
        if (*error == 0) {
            answered();
            extents = std::move(found);
            return 0;
        }
        if (!again(*error, deadline)) {
            return *error;
        }
    }
}

/// Waits until the link is up, with whatever is at its other end.
bool Source::link_returns(int error, TimePoint deadline)
{
    if (error != ENOTCONN && error != ESHUTDOWN) {
        return false;
    }
    if (!setup_.background) {
        return false;  // nobody would make the link again meanwhile
    }
    std::unique_lock lock(mutex_);
    while (!closed_ && !refused_ && !away_ && real_clock().now() < deadline) {
        if (device_ && device_->link() == Link::up) {
            return true;
        }
        changed_.wait_until(lock, std::min(deadline, real_clock().now() + poll_interval));
    }
    const std::string why = device_ ? device_->link_error() : std::string();
    lock.unlock();
    lose(why.empty() ? "its connection has ended" : why);
    return false;
}

bool Source::again(int error, TimePoint deadline)
{
    return link_returns(error, deadline) && ready(deadline) == 0;
}

std::optional<TimePoint> Source::turn()
{
    const auto device = this->device();
    const TimePoint now = real_clock().now();
    if (closed_) {
        if (device) {
            const std::lock_guard lock(mutex_);
            device_ = nullptr;
        }
        if (device && setup_.open) {  // a filter's `next` belongs to the server
            device->stop(milliseconds(1000));
        }
        return std::nullopt;
    }
    if (!device && now >= next_open_) {
        try_open();
        next_open_ = real_clock().now() + open_interval;
    } else if (device && device->link() == Link::returned) {
        {
            const std::lock_guard lock(mutex_);
            epoch_++;
            trusted_ = false;
        }
        device->resume();
        changed_.notify_all();
        next_probe_ = now;
    } else if (device && away_ && device->link() == Link::up && now >= next_probe_) {
        probe(device);
        next_probe_ = now + probe_interval;
    }
    return real_clock().now() + poll_interval;
}

void Source::try_open()
{
    if (!setup_.open || refused_) {
        return;
    }
    try {
        const std::shared_ptr<Device> device = setup_.open();
        if (device->size() != setup_.size) {
            refuse(fmt::format("the source '{}' has {} bytes, the copy was made of {} bytes",
                               setup_.name, device->size(), setup_.size));
            return;
        }
        device->start();
        {
            const std::lock_guard lock(mutex_);
            if (!stopping_) {
                device_ = device;
                return;
            }
        }
        device->stop(milliseconds(100));
    } catch (const SetupError& error) {
        log::debug("copy-on-read: {}", error.what());
    }
}

/// Asks for something small, without waiting.
void Source::probe(const std::shared_ptr<Device>& device)
{
    {
        const std::lock_guard lock(mutex_);
        if (std::exchange(probing_, true)) {
            return;  // the last one has not been answered yet
        }
    }
    // It is left behind at once.  Our own life ends only after the device's (see stop()).
    const Pending left_behind(*device, sample_request(*device, 0), [this](int error, bool) {
        {
            const std::lock_guard lock(mutex_);
            probing_ = false;
        }
        if (error == 0) {
            answered();
        }
    });
}

}  // namespace resilience::cor
