// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The one place that writes the log.
//
// An entry's life:
//
//   admit      room for it is made sure of, before the device is touched
//              (log_space.h); what is not admitted must not change the device
//   take       when the device has done its part: the next place and number,
//              under the mutex, which thereby decides on the order of the log
//   write      header and body with one write, outside the mutex, many at once
//              (entry_output.h)
//   finish     the slot is complete (slot_list.h)
//   commit     the superblock counts it, if somebody is promised that
//              (superblock_commit.h)
//
// What a promise is worth depends on their order:
//
//   1. An entry and its body have been written, and all entries before them,
//      before the superblock that counts them is written: at each moment a reader
//      finds all that is counted, whenever the server is killed.
//   2. The superblock has been written, and then all is synced, entries and
//      superblock alike, before a flush, a FUA request or a durable mark is
//      answered.  Without logwrites-sync it has been written, no more: that is
//      worth something after the end of the server, not after that of its machine.
//   3. A flush has the place of its beginning, and its entry says that it has been
//      done only when the device has done it.
//
// There is no sync between the two writes of 1: nobody has been answered by then.
// If the power fails there, the superblock can count what is lost; the checksums
// tell.
//
// A write to the log that fails leaves a gap for ever, and everything behind it
// is unreadable.  That is the end of the log: the device has changed and the
// log has not, and whatever came later would be replayed onto another state.
// The same if the superblock cannot be written, or an entry in front of one that
// is promised takes too long.  What clients are told then is the user's choice
// (logwrites-full): `error` refuses changes from then on, before they reach the
// device; `stop` lets them pass, and the log ends there, with a mark if it can.

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <string_view>

#include "filters/logwrites/entry_output.h"
#include "filters/logwrites/log_scan.h"
#include "filters/logwrites/log_space.h"
#include "filters/logwrites/superblock_commit.h"

namespace resilience::logwrites {

enum class State : std::uint8_t {
    recording,
    failed,   ///< the log is at its end, changes are refused (full=error)
    stopped,  ///< the log is at its end, changes go on unrecorded (full=stop)
    closed,
};
std::string_view to_string(State state);

/// When a request came in.
struct Stamp {
    std::uint64_t sequence = 0;
    std::uint64_t time_ns = 0;  ///< since 1970
};

/// What is known of the recording, for people.
struct LogStatus {
    State state = State::recording;
    std::string reason;             ///< why it has ended, if it has
    std::uint64_t entries = 0;      ///< in the log
    std::uint64_t counted = 0;      ///< by the superblock
    std::uint64_t bytes = 0;        ///< of the log
    std::uint64_t marks = 0;        ///< since the start, the filter's own included
    std::uint64_t flushes = 0;      ///< since the start, successful ones
    std::uint32_t sector_size = 0;
    std::uint32_t log_id = 0;
};

/// All members are safe to call from any thread unless their comment says
/// otherwise.  Errors are positive errno values.
class LogWriter {
public:
    struct Settings {
        std::uint64_t device_size = 0;
        std::uint64_t super_update_interval = 4096;
        bool stop_when_full = false;
        bool extension = true;
        bool sync = true;
        /// Called when the recording ends early, on any thread, without locks.
        std::function<void(const std::string& reason)> on_end;
    };

    LogWriter(LogStorage& storage, const LogStart& start, Settings settings);

    /// Replaces or continues what is there: superblock and start mark.  Once,
    /// before all others.
    int begin();
    /// End mark and superblock; the log cannot be written afterwards.
    int end();

    /// Room for entries, given back if it is not used.
    class Admission {
    public:
        Admission() = default;
        Admission(const Admission&) = delete;
        Admission& operator=(const Admission&) = delete;
        ~Admission() { release(); }
        /// False: the recording has ended, do without.
        bool recorded() const { return writer_ != nullptr; }

    private:
        friend class LogWriter;
        void release();

        LogWriter* writer_ = nullptr;
        std::uint64_t bytes_ = 0;
    };

    /// Asks for room for `items`, whose sectors and bodies are known; their
    /// spans are not looked at.  ENOSPC, or EIO after a failure: the device
    /// must not be changed.
    int admit(std::span<const LogItem> items, Admission& admission);

    /// A request has come in.
    Stamp issue();

    /// Logs what the device has done.  With `promised` it returns when the
    /// superblock counts the entries, and, with Settings::sync and `durable`,
    /// they are on the medium.  `entry`: the number of the first one.
    int append(Admission& admission, std::span<LogItem> items, const Stamp& issued,
               bool promised, bool durable = true, std::uint64_t* entry = nullptr);

    /// A flush: its place is that of its beginning, so that what completes
    /// while it runs stands behind it.  `carry_out` flushes the device.
    int flush(std::uint32_t connection, const std::function<int()>& carry_out);

    /// A mark, promised.  `name` has been checked.  EPIPE: the recording has
    /// been stopped.
    int mark(std::string_view name, std::uint32_t connection, bool durable = false,
             std::uint64_t* entry = nullptr);

    std::uint32_t sector_size() const { return sector_size_; }
    LogStatus status() const;

private:
    using Slot = SlotList::Slot;
    using Lock = std::unique_lock<std::mutex>;

    void take(Lock& lock, Admission& admission, std::span<LogItem> items, const Stamp& issued,
              Slot& slot);
    Run body_of(const LogItem& item) const;
    void stamp(std::span<LogItem> items, const Stamp& issued, const Stamp& completed) const;
    int finish(Slot& slot, int error);
    int flush_taken(const Slot& slot, const writelog::Entry& pending,
                    const std::function<int()>& carry_out);
    int commit(std::uint64_t entries, bool durable);
    int commit_if_due(const Slot& slot);
    int refusal() const;
    int room_error(Lock& lock, int error);
    int log_failed(Lock& lock, std::uint64_t entry, const std::string& what, int error);
    void stop(Lock& lock, const std::string& reason);
    int last_mark(Lock& lock, std::string_view name);

    LogStorage& storage_;
    const LogStart start_;
    const Settings settings_;
    const std::uint32_t sector_size_;
    const writelog::Superblock super_;  ///< all but its count
    EntryOutput output_;
    std::atomic<std::uint64_t> sequence_;

    mutable std::mutex mutex_;
    LogSpace space_;
    SlotList slots_;
    SuperblockCommit counter_;
    State state_ = State::recording;
    std::string reason_;
    std::uint64_t marks_ = 0;
    std::uint64_t flushes_ = 0;
};

}  // namespace resilience::logwrites
