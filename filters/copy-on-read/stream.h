// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What goes on without a client: first the trace, in its order, then, if that
// is wanted, the stream, which fetches all that is left from the start to the
// end.  Both give way to guests: while one waits for the source, only a few of
// their own requests are in flight.
//
// There is nothing to remember for a restart: what is left is what is absent.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "common/thread/background_thread.h"
#include "filters/copy-on-read/engine.h"

namespace resilience::cor {

/// Where the stream stands, for people.
struct StreamStatus {
    /// off: never wanted; running; waiting: for the source; stopped: by a
    /// command; failed: see `error`; complete.
    std::string_view state;
    std::string error;
    std::uint64_t total = 0;  ///< bytes of the device
    std::uint64_t done = 0;   ///< of them, local; or (cor-max-depth) not to be copied
    std::uint64_t rate = 0;   ///< bytes per second; 0: no limit
};

/// One thread.  All members but the constructor may be called from any thread.
class Stream {
public:
    explicit Stream(Engine& engine);
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;
    ~Stream() { stop(); }

    void start() { thread_.start(); }
    /// Ends the thread; the source must have been stopped.
    void stop();

    void want(bool wanted);
    void set_rate(std::uint64_t bytes_per_second);
    StreamStatus status() const;

private:
    TimePoint turn();
    bool unfinished() const;
    void prefetch_trace();
    void fill();
    bool step(Pipeline& pipeline);
    bool skip_zeroes(Pipeline& pipeline, std::uint64_t limit);
    bool look_ahead();
    void pay_for(std::uint64_t bytes);
    void set_state(std::string_view state, const std::string& error = {});
    /// Waits; false when it is time to end or (`while_wanted`) not wanted.
    bool pause(std::chrono::milliseconds time);
    bool wanted() const;

    Engine& engine_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    bool wanted_ = false;
    bool stopping_ = false;
    std::string_view state_ = "off";
    std::string error_;
    std::uint64_t rate_;

    // The thread's own.
    bool traced_ = false;           ///< the trace has been gone through
    std::uint64_t cursor_ = 0;      ///< cluster
    ExtentList ahead_;              ///< what the source says of [ahead_begin_, ahead_end_)
    std::uint64_t ahead_begin_ = 0; ///< bytes
    std::uint64_t ahead_end_ = 0;
    std::size_t ahead_next_ = 0;    ///< the extent that the cursor has got to ...
    std::uint64_t extent_begin_ = 0;  ///< ... and where that begins, in bytes
    TimePoint next_{};              ///< the rate limit
    std::atomic<std::uint64_t> passed_{0};  ///< clusters that are not to be copied
    BackgroundThread thread_{"cor-stream", [this](const auto&) { return turn(); }};
};

}  // namespace resilience::cor
