// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The commands of a quorum on its control socket (nbdctl(1) and
// nbdkit-quorum-filter(1) describe them).

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "common/child/child_spec.h"
#include "common/control/command_table.h"
#include "filters/quorum/quorum_device.h"

namespace resilience::quorum {

class Control {
public:
    /// Opens a child for a command; throws SetupError.
    using OpenChild = std::function<std::shared_ptr<Device>(const ChildSpec& spec)>;

    /// Both must outlive the table's use.  `directory` is what paths in SPECs are
    /// relative to.
    Control(QuorumDevice& quorum, OpenChild open, std::string directory)
        : quorum_(quorum), open_(std::move(open)), directory_(std::move(directory))
    {
    }

    void add_commands(CommandTable& table);

    /// Stops devices that were opened and never became children.
    void stop(std::chrono::milliseconds limit);

private:
    /// A device that a command has opened.
    struct Node {
        std::shared_ptr<Device> device;  ///< null: see nodes_
        std::string storage;
        std::string spec;  ///< see member_spec()
    };

    void add_queries(CommandTable& table);
    void add_membership(CommandTable& table);
    void add_node_commands(CommandTable& table);
    void add_resync(CommandTable& table);
    void add_others(CommandTable& table);

    Json child_add(const Json& arguments);
    Json change(const Json& arguments);
    void change_add(const std::string& node);
    Node open_node(const std::string& spec);
    std::optional<Node> take_node(const std::string& name);
    void put_node(const std::string& name, Node node);
    void drop_node(const std::string& name);
    void check_parent(const std::string& parent, bool adding);
    Json blockdev_add(const Json& arguments);
    Json blockdev_del(const Json& arguments);
    Json resync_start(const Json& arguments);
    Json settle(const Json& arguments);
    Json resync_cancel(const Json& arguments);
    Json invalidate_cache(const Json& arguments);
    ChildPtr child(const Json& arguments) const;

    QuorumDevice& quorum_;
    OpenChild open_;
    const std::string directory_;
    std::mutex nodes_mutex_;
    /// By blockdev-add, and no child yet.  Null: the name is taken by a command
    /// that is at work on it; opening and adding can take long, and are done
    /// without the lock.
    std::map<std::string, Node> nodes_;
};

}  // namespace resilience::quorum
