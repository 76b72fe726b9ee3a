// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the tests of the quorum share: a clock that only moves when somebody
// waits, an observer that writes down, and a quorum on faulty devices.

#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "filters/quorum/quorum_device.h"
#include "tests/unit/faulty_device.h"

namespace resilience::test {

using namespace std::chrono_literals;
using namespace resilience::quorum;

inline constexpr std::uint64_t granule = stale_granularity;

/// For tests on one thread.  Whoever waits makes the time pass, up to what
/// happens next (see at()), at the furthest to the deadline.
class ManualClock final : public Clock {
public:
    TimePoint now() const override { return now_; }
    bool wait_until(std::condition_variable&, std::unique_lock<std::mutex>& lock,
                    TimePoint deadline, const std::function<bool()>& ready) override
    {
        while (!ready() && !events_.empty() && events_.begin()->first <= deadline) {
            lock.unlock();
            run_next();
            lock.lock();
        }
        if (ready()) {
            return true;
        }
        now_ = std::max(now_, deadline);
        return false;
    }
    /// Lets `what` happen after this time.
    void after(Duration time, std::function<void()> what)
    {
        events_.emplace(now_ + time, std::move(what));
    }
    void advance(Duration time)
    {
        const TimePoint end = now_ + time;
        while (!events_.empty() && events_.begin()->first <= end) {
            run_next();
        }
        now_ = end;
    }

private:
    void run_next()
    {
        const auto event = events_.extract(events_.begin());
        now_ = std::max(now_, event.key());
        event.mapped()();
    }

    TimePoint now_ = TimePoint{} + 1h;
    std::multimap<TimePoint, std::function<void()>> events_;
};

/// Writes down what it is told, a line each.
class Notes final : public Observer {
public:
    void report_bad(const Child& child, const BadReport& report) override
    {
        note("bad " + child.name() + " " + std::string(to_string(report.fault)) + " " +
             (report.mismatch ? "at " + std::to_string(report.mismatch->first_difference)
                              : std::to_string(report.error)));
    }
    void failure(ByteRange range) override { note("failure " + std::to_string(range.begin)); }
    void state_changed(const Child& child, ChildState, ChildState to, const std::string&) override
    {
        note("state " + child.name() + " " + std::string(to_string(to)));
    }
    void speed_changed(const Child& child, const SpeedReport& report) override
    {
        note((report.slow ? "slow " : "not slow ") + child.name() + " " +
             std::string(resilience::to_string(report.op)));
    }
    void resync_completed(const Child& child, std::uint64_t) override
    {
        note("resynced " + child.name());
    }
    void foreign(const Child& child, const std::string&) override
    {
        note("foreign " + child.name());
    }
    int count(const std::string& line) const
    {
        const std::lock_guard lock(mutex_);
        return static_cast<int>(std::count(lines_.begin(), lines_.end(), line));
    }
    std::vector<std::string> lines() const
    {
        const std::lock_guard lock(mutex_);
        return lines_;
    }

private:
    void note(std::string line)
    {
        const std::lock_guard lock(mutex_);
        lines_.push_back(std::move(line));
    }

    mutable std::mutex mutex_;
    std::vector<std::string> lines_;
};

/// A quorum whose background work is done by hand: housekeep(), work().
struct TestQuorum {
    explicit TestQuorum(std::size_t children = 3, std::uint64_t bytes = 16 * granule,
                        Options options = {}, Clock* with_clock = nullptr)
        : size(bytes)
    {
        options.settle(children);
        std::vector<NewChild> members;
        for (std::size_t i = 0; i < children; i++) {
            devices.push_back(std::make_shared<FaultyDevice>(bytes));
            members.push_back({"", devices.back(), options.timeout});
        }
        make(options, std::move(members), with_clock);
    }
    /// With the timeouts of the children.
    TestQuorum(const std::vector<std::chrono::milliseconds>& timeouts, std::uint64_t bytes)
        : size(bytes)
    {
        Options options;
        options.settle(timeouts.size());
        std::vector<NewChild> members;
        for (const auto timeout : timeouts) {
            devices.push_back(std::make_shared<FaultyDevice>(bytes));
            members.push_back({"", devices.back(), timeout});
        }
        make(options, std::move(members), nullptr);
    }

    int write(ByteRange range, std::byte value, Flags flags = {})
    {
        const std::vector<std::byte> data(range.length(), value);
        Request request{Op::write, flags, range.begin, range.length(), {}, data, {}, {}};
        return quorum->execute(request);
    }
    /// The errno, and what was read.
    std::pair<int, std::vector<std::byte>> read(ByteRange range)
    {
        std::vector<std::byte> data(range.length());
        Request request{Op::read, {}, range.begin, range.length(), data, {}, {}, {}};
        const int error = quorum->execute(request);
        return {error, std::move(data)};
    }
    int flush()
    {
        Request request;
        request.op = Op::flush;
        return quorum->execute(request);
    }
    FaultyDevice& device(std::size_t i) { return *devices[i]; }
    Child& child(std::size_t i) { return *quorum->children()[i]; }
    /// Housekeeping, as often as bringing back a child can take.
    void settle()
    {
        for (int i = 0; i < 3; i++) {
            quorum->housekeep();
            clock.advance(600ms);
        }
        quorum->housekeep();
    }
    void resync()
    {
        for (int i = 0; i < 1000 && quorum->work(); i++) {
        }
    }

    const std::uint64_t size;
    ManualClock clock;
    Notes notes;
    std::vector<std::shared_ptr<FaultyDevice>> devices;
    std::shared_ptr<QuorumDevice> quorum;

private:
    void make(const Options& options, std::vector<NewChild> members, Clock* with_clock)
    {
        quorum = std::make_shared<QuorumDevice>(options, std::move(members), notes, true,
                                                with_clock ? *with_clock : clock);
    }
};

}  // namespace resilience::test
