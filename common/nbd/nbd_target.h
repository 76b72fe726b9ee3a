// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

namespace resilience {

/// Where an NBD server is, or how it is started.
struct NbdTarget {
    std::string text;       ///< as the user wrote it; for messages
    std::string address;    ///< an NBD URI, or a shell command line
    bool command = false;   ///< the server is started, by systemd socket activation
    std::string directory;  ///< where a command runs
};

/// What `target` leads to, for messages: host and port or socket, and export.
std::string describe_nbd_target(const NbdTarget& target);

}  // namespace resilience
