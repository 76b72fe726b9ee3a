// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The commands of copy-on-read on its control socket (nbdctl(1) and
// nbdkit-copy-on-read-filter(1) describe them).

#include <string>

#include "common/control/command_table.h"
#include "filters/copy-on-read/engine.h"
#include "filters/copy-on-read/stream.h"

namespace resilience::cor {

class Control {
public:
    /// Both must outlive the table's use.  `no_stream`: why there can be none;
    /// empty if there can.
    Control(Engine& engine, Stream& stream, std::string no_stream)
        : engine_(engine), stream_(stream), no_stream_(std::move(no_stream))
    {
    }

    void add_commands(CommandTable& table);

private:
    Json query_status() const;
    Json query_stream() const;
    Json query_counters() const;
    void want_stream(bool wanted);

    Engine& engine_;
    Stream& stream_;
    const std::string no_stream_;
};

}  // namespace resilience::cor
