// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <sys/types.h>

#include <string>

#include "common/core/setup_error.h"
#include "common/core/unique_fd.h"

namespace resilience {

/// A listening unix socket in the file system, for its owner alone.
class ControlSocket {
public:
    /// See ControlServer's constructor.  Throws SetupError.
    explicit ControlSocket(std::string path);
    ControlSocket(const ControlSocket&) = delete;
    ControlSocket& operator=(const ControlSocket&) = delete;

    int fd() const { return fd_.get(); }
    const std::string& path() const { return path_; }

    /// Removes the file, unless another has taken its place, and closes the
    /// socket.  Can be called again.
    void remove();

private:
    void bind_and_listen();

    std::string path_;
    UniqueFd fd_;
    dev_t device_ = 0;
    ino_t inode_ = 0;
};

}  // namespace resilience
