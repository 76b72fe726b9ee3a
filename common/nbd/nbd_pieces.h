// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A large request goes to its server in pieces, a few at a time.
//
// A timeout must tell a line that is slow from one that is dead, whatever the size of
// the request: 32 MiB at 10 Mbit/s take half a minute.  Each answer to a piece is a sign
// of life (Progress), and comes soon after the one before.

#include <cstdint>
#include <memory>
#include <mutex>

#include "common/device/device.h"
#include "common/device/pieces.h"
#include "common/nbd/nbd_connection.h"
#include "common/nbd/nbd_progress.h"

namespace resilience {

class NbdPieces : public std::enable_shared_from_this<NbdPieces> {
public:
    static constexpr std::uint64_t size = piece_of_data;
    static constexpr unsigned most_under_way = 4;

    /// Starts `request`, which `connection` is to carry out, piece by piece; `done` is as
    /// for NbdConnection::submit().  False, and nothing done: it is better sent whole.
    static bool submit(const std::shared_ptr<NbdConnection>& connection,
                       const NbdProperties& server, std::shared_ptr<NbdProgress> progress,
                       const std::shared_ptr<Request>& request, Completion& done);

    NbdPieces(std::weak_ptr<NbdConnection> connection, std::shared_ptr<NbdProgress> progress,
              std::shared_ptr<Request> request, bool flush_last, Completion done);

private:
    void go_on();
    std::shared_ptr<Request> next();
    void ended(int error);

    /// Not held: what is in flight must end with its connection.
    const std::weak_ptr<NbdConnection> connection_;
    const std::shared_ptr<NbdProgress> progress_;
    const std::shared_ptr<Request> request_;
    Completion done_;

    std::mutex mutex_;
    std::uint64_t sent_ = 0;  // bytes
    unsigned under_way_ = 0;
    int error_ = 0;
    bool flush_last_;
    bool sending_ = false;  // somebody is in go_on(), and will see what has changed
};

}  // namespace resilience
