// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include <sys/types.h>

namespace resilience::nbdcrash {

/// nbdkit, which serves one file for as long as this object lives.  Made and
/// destroyed by one thread: the server dies with it.
class NbdServer {
public:
    /// `folder`: for its socket.  Throws SetupError if it does not come up.
    NbdServer(const std::string& file, const std::string& folder);
    NbdServer(const NbdServer&) = delete;
    NbdServer& operator=(const NbdServer&) = delete;
    ~NbdServer();

    std::string uri() const;

private:
    const std::string socket_;
    const std::string pid_file_;
    pid_t pid_ = 0;
};

}  // namespace resilience::nbdcrash
