// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace resilience::nbdcrash {

/// By which processes of a worker's checkers are known.
inline const std::string tag_variable = "NBDCRASH_WORKER";

/// "NBDCRASH_DEV" of "dev".
std::string variable_of(std::string_view placeholder);

/// Whether a shell takes `text` for one word that means itself.
bool is_plain(std::string_view text);

/// Starts `command` in a process group of its own, in the calling thread's mount
/// namespace, with `variables` ("NAME=value") in its environment, no input, and
/// its output to `output`.  It is killed when the calling thread ends.  If it is
/// nothing but plain words it is run without a shell.  Throws ToolError if there
/// is no such program.
pid_t spawn(const std::string& command, const std::vector<std::string>& variables, int output);

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
