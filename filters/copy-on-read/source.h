// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The source: far away, slow, and sometimes gone.
//
// It is read and never written: no other request than read and extents is ever
// sent.  What can happen to it, and what then happens here:
//
//   It does not answer.    The request that waited for its whole deadline
//                          declares the source away.  From then on requests
//                          fail at once, because a guest with a queue full of
//                          reads must not wait a deadline for each of them.
//   Its link is lost.      A request waits for the link to return, for the
//                          rest of its deadline, and is sent again; else away.
//   It is away.            It is asked again and again in the background, and
//                          the first answer, even a late one, ends that.
//   It was not there when the server started (a copy with a map needs no
//                          source to start).  It is opened in the background.
//   Another one answers.   Before anything is read from it, and again after
//                          each reconnection, samples of its content are
//                          compared with what they were when the copy was made.
//                          A source that differs is refused for good: a copy of
//                          which one half is one image and the other half
//                          another is worse than an error.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "common/device/device.h"
#include "common/thread/background_thread.h"
#include "filters/copy-on-read/reporter.h"

namespace resilience::cor {

/// All members are safe to call from any thread unless they say otherwise.
class Source {
public:
    struct Setup {
        std::shared_ptr<Device> device;                  ///< null: not there yet
        std::function<std::shared_ptr<Device>()> open;   ///< how to open it; or empty
        std::uint64_t size = 0;                          ///< what it has to be, in bytes
        std::string name;                                ///< for people
        std::optional<std::uint64_t> fingerprint;        ///< if it was taken before
        /// Keeps a fingerprint that was taken for the first time; may block.
        std::function<void(std::uint64_t)> keep;
        std::chrono::milliseconds timeout{10000};
        bool background = true;  ///< may be used by threads of our own
    };
    Source(Setup setup, Reporter& reporter, Counters& counters);
    Source(const Source&) = delete;
    Source& operator=(const Source&) = delete;
    ~Source();

    void start();
    void stop(std::chrono::milliseconds limit);
    /// It is not needed any more; does not wait.
    void close();

    /// Whether it can be asked: 0, or an errno if that is known to be in vain.
    /// The first caller after a (re)connection pays for the check of the
    /// content, at the longest until `deadline`.
    int ready(TimePoint deadline);

    /// Starts a read or an extents request; ready() was 0.  `done` is called
    /// once, with ENOTCONN if there is no source, or if it was connected to anew
    /// meanwhile: then it has to be asked again.
    void submit(std::shared_ptr<Request> request, Completion done);
    /// Carries it out, until `deadline`.  The answer is copied on success.
    int ask(const Request& request, TimePoint deadline, ExtentList& extents);

    /// After a request has failed with `error`: whether it is worth sending it
    /// again; waits for the link for that, at the longest until `deadline`.
    bool again(int error, TimePoint deadline);
    /// A request was not answered within its deadline.
    void timed_out();
    /// Something was answered after all.
    void answered();

    bool away() const { return away_.load(std::memory_order_relaxed); }
    bool closed() const { return closed_.load(); }
    /// Why it is not used; empty if it is.
    std::string refusal() const;
    std::string name() const { return setup_.name; }
    std::chrono::milliseconds timeout() const { return setup_.timeout; }
    std::shared_ptr<Device> device() const;
    Capabilities capabilities() const;

private:
    bool link_returns(int error, TimePoint deadline);
    std::optional<TimePoint> turn();
    void try_open();
    void probe(const std::shared_ptr<Device>& device);
    int check_content(TimePoint deadline);
    void lose(const std::string& why);
    void refuse(const std::string& why);

    const Setup setup_;
    Reporter& reporter_;
    Counters& counters_;
    std::atomic<bool> away_{false};
    std::atomic<bool> trusted_{false};   ///< the content was checked since the last connection
    std::atomic<std::uint64_t> epoch_{0};  ///< counts connections that were made again
    std::atomic<bool> refused_{false};
    std::atomic<bool> closed_{false};

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::shared_ptr<Device> device_;
    std::string refusal_;
    std::optional<std::uint64_t> fingerprint_;
    TimePoint next_try_{};                ///< away, without background: who may try, and when
    bool checking_ = false;
    bool probing_ = false;
    bool stopping_ = false;

    // The thread's own.
    TimePoint next_open_{};
    TimePoint next_probe_{};
    BackgroundThread thread_{"cor-source", [this](const auto&) { return turn(); }};
};

/// Reads samples of `device`, which was started, all at a time, and hashes them.
/// nullopt, with `error` (errno) set, if they cannot be read by `deadline`.
std::optional<std::uint64_t> take_fingerprint(Device& device, TimePoint deadline, int& error);

}  // namespace resilience::cor
