// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The commands on the control socket (nbdkit-logwrites-filter(1) describes
// them).

#include <atomic>
#include <string>

#include "common/control/command_table.h"
#include "filters/logwrites/options.h"
#include "filters/logwrites/recorder.h"

namespace resilience::logwrites {

class Control {
public:
    /// All must outlive the table's use.
    Control(Recorder& recorder, const LogWriter& writer, const Options& options,
            std::string log_name, const std::atomic<std::uint32_t>& connections);

    void add_commands(CommandTable& table);

private:
    Json mark(const Json& arguments);
    Json query() const;

    Recorder& recorder_;
    const LogWriter& writer_;
    const Options& options_;
    const std::string log_name_;
    const std::atomic<std::uint32_t>& connections_;
};

/// Why a mark could not be made, for people.
std::string mark_error(std::string_view name, int error, const LogStatus& status);

}  // namespace resilience::logwrites
