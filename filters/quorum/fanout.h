// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// One request, sent to several children at once.
//
// The rule that everything here serves: nobody waits for a child longer than
// that child's timeout, whatever the operation.  So a request to a child is
// either carried out at once by the caller (a cached file: it cannot wait), or
// it is *abandonable*: it owns its memory, and when its deadline comes the
// caller goes on without it.  The answer, if it ever comes, is taken note of
// (Child::late_answer) and thrown away.
//
// A Fanout is used by one thread.  What completions touch lives in a shared
// part that outlives it.

#include <cerrno>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "common/device/buffer_pool.h"
#include "common/device/device.h"
#include "common/thread/clock.h"
#include "filters/quorum/child.h"

namespace resilience::quorum {

/// The errno of a child that was given up: "Connection timed out".
inline constexpr int abandoned_error = ETIMEDOUT;

/// A child's part of a fan-out.
struct Slot {
    ChildPtr child;
    std::shared_ptr<Request> request;  ///< null: carried out on the caller's own memory
    std::uint64_t epoch = 0;           ///< of the child's link when the request was sent
    TimePoint sent{};
    TimePoint deadline{};
    std::uint64_t due = 0;  ///< of the device's Progress::answered, when this has its turn
    int error = EINPROGRESS;  ///< a child that was never asked has done nothing
    bool done = false;
    bool abandoned = false;

    bool ok() const { return done && error == 0; }
};

/// The same read into memory of its own, for a child that may be abandoned.
std::shared_ptr<Request> own_read(const Request& request);
/// Zeroes that may be a hole, so that a sparse image stays sparse.
std::shared_ptr<Request> zero_request(ByteRange range);
/// Writes `content`, of the range's length; if it is zeroes, as above.
std::shared_ptr<Request> copy_request(const Buffer& content, ByteRange range);

class Fanout {
public:
    explicit Fanout(Clock& clock, std::size_t children);
    Fanout(const Fanout&) = delete;
    Fanout& operator=(const Fanout&) = delete;

    /// The answers to this tell how fast the children are (speed.h).
    void measure();

    /// Adds a child; returns its slot's index.  Slots keep the order in which
    /// they were added, whatever the order in which requests are sent.
    std::size_t add(ChildPtr child);

    /// Carries `request` out on this thread if the child's device can do so at
    /// once.  `request` may point to the caller's own memory.
    bool try_now(std::size_t index, Request& request);
    /// The same with a request that owns its memory, which the slot then holds.
    bool try_now(std::size_t index, const std::shared_ptr<Request>& request);

    /// Sends a request that owns its memory.
    void send(std::size_t index, std::shared_ptr<Request> request);

    /// Calls ask(index), which is to send the child its request, once for each
    /// slot: first those whose device takes time for `op`, then the others,
    /// which fill that time.  A device may learn meanwhile that it takes time
    /// (its file system refuses what it was tried with); it is asked all the same.
    template <typename Ask>
    void slowest_first(Op op, Ask ask);

    /// Waits until every request has been answered or abandoned.
    void wait();
    /// The same, or until `enough()`; called with the slots locked, whenever
    /// an answer has come.
    void wait_until(const std::function<bool()>& enough);

    /// Leaves the unanswered ones to themselves: `late(index)` is called for
    /// each one when it is answered or abandoned, on the thread that does it,
    /// without locks.  Returns how the slots stood at that moment.
    std::vector<Slot> detach(std::function<void(std::size_t index)> late);

    /// Stable after wait(); after wait_until() only those that are `done`.
    std::vector<Slot>& slots();

    /// The part that completions share; for detached fan-outs.
    struct Shared;
    std::shared_ptr<Shared> shared() const { return shared_; }

private:
    Clock& clock_;
    std::shared_ptr<Shared> shared_;
};

struct Fanout::Shared {
    std::mutex mutex;
    std::condition_variable answered;
    std::vector<Slot> slots;
    std::size_t pending = 0;
    bool measured = false;  ///< before the first request
    std::function<void(std::size_t)> late;

    void complete(std::size_t index, int error, TimePoint now);
    static void note_late(const Slot& slot, int error);
    static bool has_time(Slot& slot, TimePoint now);
    /// Abandons what is overdue at `now`; returns the next deadline.
    TimePoint abandon_overdue(TimePoint now, std::unique_lock<std::mutex>& lock);
};

template <typename Ask>
void Fanout::slowest_first(Op op, Ask ask)
{
    std::vector<std::size_t> immediate;
    for (std::size_t index = 0; index < shared_->slots.size(); index++) {
        if (shared_->slots[index].child->device().immediate(op)) {
            immediate.push_back(index);
        } else {
            ask(index);
        }
    }
    for (const std::size_t index : immediate) {
        ask(index);
    }
}

}  // namespace resilience::quorum
