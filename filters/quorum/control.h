// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The commands of a quorum on its control socket (nbdctl(1) and
// nbdkit-quorum-filter(1) describe them).

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "common/control/command_table.h"
#include "filters/quorum/quorum_device.h"

namespace resilience::quorum {

class Control {
public:
    /// Opens a child by its SPEC for a command; throws SetupError.
    using OpenChild = std::function<std::shared_ptr<Device>(const std::string& spec)>;

    /// Both must outlive the table's use.
    Control(QuorumDevice& quorum, OpenChild open) : quorum_(quorum), open_(std::move(open)) {}

    void add_commands(CommandTable& table);

    /// Stops devices that were opened and never became children.
    void stop(std::chrono::milliseconds limit);

private:
    void add_queries(CommandTable& table);
    void add_membership(CommandTable& table);
    void add_node_commands(CommandTable& table);
    void add_resync(CommandTable& table);
    void add_others(CommandTable& table);

    Json query_status() const;
    Json child_add(const Json& arguments);
    Json change(const Json& arguments);
    void change_add(const std::string& node);
    std::shared_ptr<Device> take_node(const std::string& name);
    void put_node(const std::string& name, std::shared_ptr<Device> device);
    void drop_node(const std::string& name);
    void check_parent(const std::string& parent, bool adding);
    Json blockdev_add(const Json& arguments);
    Json blockdev_del(const Json& arguments);
    Json resync_start(const Json& arguments);
    Json invalidate_cache(const Json& arguments);
    ChildPtr child(const Json& arguments) const;

    QuorumDevice& quorum_;
    OpenChild open_;
    std::mutex nodes_mutex_;
    /// By blockdev-add, and no child yet.  Null: the name is taken by a command
    /// that is at work on it; opening and adding can take long, and are done
    /// without the lock.
    std::map<std::string, std::shared_ptr<Device>> nodes_;
};

}  // namespace resilience::quorum
    Json resync_cancel(const Json& arguments);
