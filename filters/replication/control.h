// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "common/control/command_table.h"
#include "filters/replication/pair/group.h"
#include "filters/replication/pair/options.h"
#include "filters/replication/pair/side.h"

namespace resilience::replication {

/// The commands that both sides have: QEMU's three and ours.
class Control {
public:
    Control(const Options& options, Side& side)
        : options_(options), side_(side), group_(options, side)
    {
        if (!options.group.empty()) {
            side.checkpoints_by([this] { return group_.checkpoint(); });
        }
    }

    void start() { group_.start(); }
    void stop() { group_.stop(); }

    void add_commands(CommandTable& table);

private:
    void add_qemu_commands(CommandTable& table);
    void add_own_commands(CommandTable& table);
    void add_refusals(CommandTable& table);
    void run(const Asked& asked) { group_.run(asked); }
    Json query() const;

    const Options& options_;
    Side& side_;
    Group group_;
};

}  // namespace resilience::replication
