// SPDX-License-Identifier: BSD-3-Clause
#include "common/nbd/nbd_pieces.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace resilience {

bool NbdPieces::submit(const std::shared_ptr<NbdConnection>& connection,
                       const NbdProperties& server, std::shared_ptr<NbdProgress> progress,
                       const std::shared_ptr<Request>& request, Completion& done)
{
    if (progress->payload(*request) <= size || request->flags.fast_zero) {
        return false;
    }
    // Else each piece would bring a flush of its own.
    const bool flush_last = request->flags.fua && !server.fua && server.flush;
    std::make_shared<NbdPieces>(connection, std::move(progress), request, flush_last,
                                std::move(done))
        ->go_on();
    return true;
}

NbdPieces::NbdPieces(std::weak_ptr<NbdConnection> connection,
                     std::shared_ptr<NbdProgress> progress, std::shared_ptr<Request> request,
                     bool flush_last, Completion done)
    : connection_(std::move(connection)), progress_(std::move(progress)),
      request_(std::move(request)), done_(std::move(done)), flush_last_(flush_last)
{
}

/// What to send now; null: nothing yet, or nothing any more.  Under the mutex.
std::shared_ptr<Request> NbdPieces::next()
{
    if (error_ != 0 || under_way_ == most_under_way) {
        return nullptr;
    }
    auto piece = std::make_shared<Request>();
    if (sent_ < request_->length) {
        const std::uint64_t length = std::min(size, request_->length - sent_);
        piece->op = request_->op;
        piece->flags = request_->flags;
        piece->flags.fua = request_->flags.fua && !flush_last_;
        piece->offset = request_->offset + sent_;
        piece->length = length;
        if (request_->op == Op::read) {
            piece->into = request_->into.subspan(sent_, length);
        } else if (request_->op == Op::write) {
            piece->from = request_->from.subspan(sent_, length);
        }
        piece->owner = request_;
        sent_ += length;
    } else if (flush_last_ && under_way_ == 0) {
        flush_last_ = false;
        piece->op = Op::flush;
    } else {
        return nullptr;
    }
    under_way_++;
    return piece;
}

void NbdPieces::go_on()
{
    std::unique_lock lock(mutex_);
    if (std::exchange(sending_, true)) {
        return;
    }
    while (auto piece = next()) {
        lock.unlock();
        const auto done = [self = shared_from_this()](int error) { self->ended(error); };
        if (const auto connection = connection_.lock()) {
            connection->submit(std::move(piece), done);
        } else {
            progress_->forgotten(progress_->payload(*piece));
            done(ENOTCONN);
        }
        lock.lock();
    }
    sending_ = false;
    if (under_way_ > 0 || !done_) {
        return;
    }
    const Completion done = std::exchange(done_, nullptr);
    const int error = error_;
    progress_->forgotten(progress_->payload(*request_) - sent_);
    lock.unlock();
    done(error);
}

void NbdPieces::ended(int error)
{
    {
        const std::lock_guard lock(mutex_);
        under_way_--;
        if (error == 0 && request_->answered_at) {
            request_->answered_at->store(real_clock().now().time_since_epoch().count());
        }
        // That pieces were cut off, and may be carried out yet, counts more than that one
        // was refused.
        if (error_ == 0 || error == ENOTCONN) {
            error_ = error;
        }
    }
    go_on();
}

}  // namespace resilience
