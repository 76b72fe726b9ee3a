// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What is on its way from the primary to its secondary.
//
// Every byte of the disk is in one of three places: the secondary has it, it is
// on its way (in the stream), or it is *missed*: marked in a bitmap, to be read
// from the local disk and sent some time later.  The stream owns the last two,
// under one mutex, so nothing can fall between them:
//
//   * append() puts a write at the end, or marks it as missed if there is no
//     connection, or if a part of it is missed already (sent now, it could be
//     overtaken by an older copy; as a whole it is copied later);
//   * what could not be sent, or was not answered well, becomes missed again;
//   * the backlog has limits in bytes and in age.  Beyond them the guest waits
//     (wait_for_room), or all that was not sent yet becomes missed.
//
// Requests are sent in order, many at a time, but never two that overlap: an
// NBD server may carry out what is in flight together in any order.
//
// A checkpoint is a barrier: what was appended before it is answered, and
// nothing behind it is sent, before lift_barrier().
//
// What the other side may do wrong: not answer (each request has a deadline;
// when one passes, the connection is given up as a whole, for a request cannot
// be called back), answer late (another connection is in use by then, and its
// fence refuses what is still in the old one), fail a write (its range is
// missed, the connection stays).

#include <cerrno>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "common/core/dirty_bitmap.h"
#include "common/device/buffer_pool.h"
#include "common/device/device.h"
#include "common/thread/clock.h"

namespace resilience::replication {

/// Bytes of a granule: what the primary remembers a difference by.
inline constexpr std::uint32_t granularity = 64 << 10;

struct StreamOptions {
    bool wait_when_full = false;            ///< else what was not sent becomes missed
    std::uint64_t backlog_bytes = 64 << 20;
    Duration backlog_age = std::chrono::seconds(10);
    Duration timeout = std::chrono::seconds(10);  ///< of a request, once sent
    /// At most so much is in flight together.
    std::uint64_t window_bytes = 8 << 20;
    std::size_t window_requests = 32;
    /// How long to look for more before sleeping until the next write wakes us.
    /// A write that has to wake a thread costs its guest a system call.
    Duration linger = std::chrono::milliseconds(2);
};

/// A write or zero (without FUA), with its data if it is a write.
struct Change {
    Op op = Op::write;
    ByteRange range;
    Buffer data;
    bool may_trim = false;
};

struct StreamCounters {
    std::uint64_t sent = 0;           ///< requests
    std::uint64_t sent_bytes = 0;
    std::uint64_t errors = 0;         ///< requests that the secondary failed
    std::uint64_t timeouts = 0;       ///< connections given up for silence
    std::uint64_t links_lost = 0;
    std::uint64_t fell_behind = 0;    ///< how often the backlog was given up
    std::string last_error;
};

class Stream {
public:
    /// The number of an entry; 0: it is missed, or was not sent.
    using Ticket = std::uint64_t;

    Stream(StreamOptions options, std::uint64_t size, Clock& clock);
    ~Stream();
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    // ---- the connection

    /// Sends to `device` from now on.  close() was called for the one before.
    void open(std::shared_ptr<Device> device);
    /// No more: all that is on its way becomes missed.
    void close(std::string_view reason);
    bool is_open() const;

    // ---- what is sent

    /// Waits until the backlog has room, or there is no connection.
    void wait_for_room();
    /// To be called while the range is locked, with data that nobody changes any
    /// more.  Returns 0 if the range is missed now.
    /// `waits`: wait() will be called for it.
    Ticket append(Change change, bool waits);
    /// Whether append() would send it: for who has to copy the data.
    bool sends(ByteRange range) const;
    /// The answer: 0, or an errno after which the range is missed (ETIMEDOUT:
    /// the secondary was silent for a whole timeout).
    int wait(Ticket ticket);
    /// The range is different from the secondary's.
    void mark_missed(ByteRange range);
    void mark_missed(const DirtyBitmap& bits);
    /// Appends a copy of a missed range, read by the caller, who holds its lock.
    /// False if there is no connection.
    bool append_copy(Change change);

    /// Nothing is missed, and there is a connection.
    bool complete() const;
    const DirtyBitmap& missed() const { return missed_; }
    /// Bytes of copies that are on their way.
    std::uint64_t copy_bytes() const;
    /// Waits until none is.  False: not in time, or there is no connection.
    bool wait_copies(TimePoint deadline);

    // ---- checkpoints

    /// Has the secondary's disk made durable what it has by now, while all goes
    /// on: then less is left for the checkpoint.  That it is not, or not in time,
    /// is no error.
    void flush(TimePoint deadline);
    /// What is appended from now on stays here until lift_barrier().  False if
    /// something is missed or there is no connection: no checkpoint then.
    bool place_barrier();
    /// Waits until all before the barrier is answered.  False if it never will
    /// be, or something before it has failed: no checkpoint then.
    bool wait_barrier(TimePoint deadline);
    void lift_barrier();

    // ---- for people

    std::uint64_t backlog_bytes() const;
    Duration backlog_age() const;
    StreamCounters counters() const;

    /// The sender's thread: runs until stop().
    void run();
    void stop();
    /// Called at the very moment when a request turns out to have failed, or the
    /// connection to be lost, before anybody can hear of it; under the stream's
    /// lock, so it must be short and must not call back.  Set before run().
    void on_doubt(std::function<void()> callback) { on_doubt_ = std::move(callback); }
    /// Called on the sender's thread, without locks, when a connection is given
    /// up, or the secondary has failed a request; `silent`: because it did not
    /// answer at all.  Set before run().
    void on_trouble(std::function<void(bool silent)> callback)
    {
        on_trouble_ = std::move(callback);
    }

private:
    struct Entry {
        Ticket ticket = 0;
        Change change;
        bool copy = false;       ///< else a guest's
        bool waits = false;      ///< somebody will ask for the answer
        TimePoint appended{};
        TimePoint deadline{};    ///< once it is sent
        std::uint64_t length() const { return change.range.length(); }
    };
    using Entries = std::list<Entry>;
    struct Shared;

    Ticket append_locked(Change change, bool copy, bool waits);
    bool has_room() const;
    const Entry* oldest() const;
    bool over_limit(TimePoint now) const;
    void give_up_backlog();
    void end_entry(const Entry& entry, int error);
    void close_locked(std::string_view reason, int error = ENOTCONN);
    void collect_answers();
    std::shared_ptr<Request> make_request(const Entry& entry) const;
    bool may_send(const Entry& entry) const;
    bool send_next(std::unique_lock<std::mutex>& lock);
    bool drained_to_barrier() const;
    void break_barrier();
    std::string overdue(TimePoint now) const;
    void doubt();
    void tell_trouble(std::unique_lock<std::mutex>& lock, bool silent);
    void wait_for_work(std::unique_lock<std::mutex>& lock, bool lingering);

    const StreamOptions options_;
    Clock& clock_;
    std::function<void(bool)> on_trouble_;
    std::function<void()> on_doubt_;

    const std::shared_ptr<Shared> shared_;  ///< with the mutex; outlives us while answers are out
    std::shared_ptr<Device> device_;        ///< null: no connection
    Entries queue_;                         ///< not sent
    Entries flight_;                        ///< sent, not answered, in order
    Ticket next_ticket_ = 1;
    Ticket barrier_ = 0;                    ///< entries from this one on stay; 0: there is none
    bool barrier_broken_ = false;
    std::map<Ticket, std::optional<int>> waiters_;  ///< and what they get
    DirtyBitmap missed_;
    std::uint64_t guest_bytes_ = 0;         ///< in queue_ and flight_
    std::uint64_t copy_bytes_ = 0;
    std::uint64_t flight_bytes_ = 0;
    bool failed_ = false;                   ///< a request, since on_trouble_ was called
    bool stopping_ = false;
    std::uint64_t flushed_at_ = 0;          ///< sent_bytes, when flush() has sent one
    StreamCounters counters_;
};

}  // namespace resilience::replication
