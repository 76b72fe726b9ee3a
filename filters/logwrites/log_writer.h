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
//   finish     the slot is complete
//   commit     if somebody is promised that it is there: the superblock
//
// Slots are finished in any order, but readers of the log find an entry only
// by way of all those before it.  So the superblock counts just as many as are
// complete without a gap.  A slot in flight is a node of a list in the order of
// the log, on the stack of the thread that writes it: the first one is where
// the gap begins.
//
// A write to the log that fails leaves a gap for ever, and everything behind it
// is unreadable.  That is the end of the log: the device has changed and the
// log has not, and whatever came later would be replayed onto another state.
// What the client is told then is its choice (WhenFull).
//
// log_writer.cc has what the filter calls; log_writer_slots.cc the order of the
// slots, log_writer_io.cc how they are written, log_writer_super.cc how they are
// counted, and log_writer_end.cc all ways in which that comes to an end.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "common/format/dm_log_writes.h"
#include "filters/logwrites/log_scan.h"
#include "filters/logwrites/log_space.h"
#include "filters/logwrites/log_storage.h"

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

/// One entry to be.
struct LogItem {
    writelog::Entry entry;
    /// The body: these one behind the other, or, with `hole`, zeroes.
    std::span<const std::byte> head, middle, tail;
    bool hole = false;
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
    bool extension() const { return settings_.extension; }
    LogStatus status() const;

private:
    /// Entries that one thread is writing.
    struct Slot {
        std::uint64_t first = 0;
        std::uint64_t count = 0;
        std::uint64_t position = 0;
        Slot* before = nullptr;
        Slot* behind = nullptr;
    };
    using Lock = std::unique_lock<std::mutex>;

    void take(Lock& lock, Admission& admission, std::span<LogItem> items, const Stamp& issued,
              Slot& slot);
    void stamp(std::span<LogItem> items, const Stamp& issued, const Stamp& completed);
    void link(Slot& slot, std::uint64_t count);
    int finish(Slot& slot, int error);
    std::uint64_t complete() const;
    int write_items(std::uint64_t position, std::span<LogItem> items);
    int write_item(std::uint64_t position, const LogItem& item);
    int refusal() const;
    int room_error(Lock& lock, int error);
    int log_failed(Lock& lock, std::uint64_t entry, const std::string& what, int error);
    void stop(Lock& lock, const std::string& reason);
    int last_mark(Lock& lock, std::string_view name);
    int flush_taken(const Slot& slot, const writelog::Entry& pending,
                    const std::function<int()>& carry_out);
    int commit(std::uint64_t entries, bool durable);
    int commit_if_due(std::uint64_t first, std::uint64_t count);
    int write_super(std::uint64_t entries);

    LogStorage& storage_;
    const LogStart start_;
    const Settings settings_;
    const std::uint32_t sector_size_;
    const std::unique_ptr<std::byte[]> zeroes_;  ///< what fills up a header's sector
    std::optional<writelog::SuperExtension> super_extension_;
    std::uint32_t log_id_ = 0;
    std::atomic<std::uint64_t> sequence_;

    mutable std::mutex mutex_;
    std::condition_variable changed_;    ///< counted, complete or committing
    LogSpace space_;
    State state_ = State::recording;
    std::string reason_;
    std::uint64_t next_;                 ///< number of the next entry
    std::uint64_t gap_;                  ///< the first one that can never be complete
    Slot* oldest_ = nullptr;
    Slot* newest_ = nullptr;
    std::uint64_t counted_ = 0;          ///< by the superblock
    std::uint64_t synced_ = 0;           ///< the same, on the medium
    bool committing_ = false;            ///< somebody is at it, without the mutex
    std::uint64_t marks_ = 0;
    std::uint64_t flushes_ = 0;
};

}  // namespace resilience::logwrites
