// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What is examined: a log with its base, and how its states are made; and the
// options by which explore, bisect and minimize are told of it.

#include <functional>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "common/replay/timeline.h"
#include "tools/nbdcrash/content.h"
#include "tools/nbdcrash/explore/workbench.h"

namespace resilience::nbdcrash {

struct SubjectOptions {
    LogOptions log;
    std::string base;  ///< SPEC, or empty
    std::uint64_t size = 0;
    bool keep_discards = false;
    std::string from;  ///< a point
    std::string to;
    CheckOptions check;
};

/// Declares LOG, --base, --size, --keep-discards, --no-index; with `range` --from and --to.
void add_subject_options(CLI::App& command, SubjectOptions& options, bool range);
/// Declares --check, --oracle, --promise, --timeout.
void add_check_options(CLI::App& command, CheckOptions& options);
/// Throws ToolError if there is nothing that decides.
void require_check(const CheckOptions& options);

class Subject {
public:
    /// Throws LogError, SetupError or ToolError: all of the log must be good,
    /// its bodies too.
    explicit Subject(const SubjectOptions& options);
    /// The log at `path` of what was written to state `state` of `first`, which `base`
    /// is.  `shown`: what the log is called in commands.
    Subject(const Subject& first, const std::string& state, std::shared_ptr<Device> base,
            const std::string& path, const std::string& shown);

    const OpenedLog& log() const { return log_; }
    const writelog::LogIndex& index() const { return *log_.index; }
    const std::shared_ptr<const writelog::Timeline>& timeline() const { return timeline_; }
    const std::shared_ptr<Device>& base() const { return base_; }
    std::uint64_t size() const { return size_; }  ///< of the device, bytes
    std::uint64_t from() const { return from_; }  ///< entries
    std::uint64_t to() const { return to_; }      ///< entries

    /// A state as a device, read-only.
    std::shared_ptr<Device> device(writelog::ContentMap map) const;
    /// The same, with its name and mark.
    StateToCheck to_check(const writelog::State& state, Promise promise,
                          writelog::ContentMap map) const;
    /// The command that serves a state.
    std::string serving_command(const std::string& state) const;
    writelog::Discard discard() const;

private:
    std::string server(const std::string& state) const;

    const SubjectOptions options_;
    OpenedLog log_;
    std::shared_ptr<const writelog::Timeline> timeline_;
    OpenedDevice opened_base_;
    std::shared_ptr<Device> base_;
    std::uint64_t size_ = 0;
    std::uint64_t from_ = 0;
    std::uint64_t to_ = 0;
};

/// `text` as one word of a shell.
std::string quoted(const std::string& text);

/// Runs `work` on a thread of its own while this one waits for SIGINT, SIGTERM
/// and SIGHUP, of each of which `stop` is told.  Rethrows what `work` throws.
/// Must be called before other threads are started.
void run_interruptible(Stop& stop, const std::function<void()>& work);

}  // namespace resilience::nbdcrash
