// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Where one state after the other is put, and checked: a FUSE mount, a server
// for those checkers that want NBD, and the checker's processes.

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/core/dirty_bitmap.h"
#include "common/device/device.h"
#include "common/replay/timeline.h"
#include "tools/nbdcrash/explore/checker.h"
#include "tools/nbdcrash/explore/fuse_file.h"
#include "tools/nbdcrash/explore/mount_space.h"
#include "tools/nbdcrash/explore/spawn.h"

namespace resilience::nbdcrash {

/// Which marks an oracle may hold a state to.
enum class Promise : std::uint8_t {
    durable,  ///< the last mark before which nothing is missing in the state
    set,      ///< the last mark that was set before the crash
};

/// What decides about states.
struct CheckOptions {
    std::string check;   ///< a command; may be empty if there is an oracle
    std::string second_check;  ///< for check_again(); empty: as `check`
    std::string oracle;  ///< a command, run after a check that found nothing bad; or empty
    Promise promise = Promise::durable;
    std::chrono::milliseconds timeout{60'000};  ///< of each run
};

/// What was found out about a state.
struct Verdict {
    enum class Kind : std::uint8_t { good, bad, skip, interrupted };
    Kind kind = Kind::good;
    bool by_oracle = false;
    Ended ended;  ///< of the command that decided

    bool is_bad() const { return kind == Kind::bad; }
};

/// "exit", "signal" or "timeout": the kind of a bad verdict.
const char* kind_of(const Verdict& verdict);

/// What a state is, for whoever checks it.
struct StateToCheck {
    std::string name;   ///< in the grammar of states
    std::string mark;   ///< for the oracle; empty if there is none
    std::shared_ptr<Device> content;
};

struct Checked {
    Verdict verdict;
    std::vector<resilience::ByteRange> reads;  ///< of the state, by all commands
    std::string recovery;  ///< path of the log of what the check wrote, if there is one
};

/// The name of the last mark that binds in `state`; empty if there is none.
std::string last_mark(const writelog::LogIndex& index, const writelog::State& state,
                      Promise promise);

/// Made, used and destroyed by one thread.
class Workbench {
public:
    /// `number`: from 0, among the `workers` of this process.  Throws SetupError.
    Workbench(unsigned number, unsigned workers, std::uint64_t device_size,
              const CheckOptions& options, const Stop& stop);
    ~Workbench();

    /// Throws ToolError if a command cannot be run, or if the state cannot be
    /// read: then nothing is known about it.
    Checked check(const StateToCheck& state);
    /// The same, and records what the check (not the oracle) writes, in a log with
    /// such sectors (bytes), which is there until the next one.
    Checked check_and_record(const StateToCheck& state, std::uint32_t sector_size);
    /// The same with the second check.
    Checked check_again(const StateToCheck& state);

private:
    Checked carry_out(const StateToCheck& state, const std::string& check,
                      std::uint32_t sector_size);
    Verdict run(const std::string& command, const StateToCheck& state);

    const CheckOptions options_;
    MountSpace space_;
    std::optional<FuseFile> file_;
    std::optional<NbdServer> server_;
    Checker checker_;
};

}  // namespace resilience::nbdcrash
