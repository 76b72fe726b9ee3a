// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "common/device/device.h"
#include "common/thread/worker_pool.h"

namespace resilience {

/// A base for devices whose work is blocking calls: submit() hands execute()
/// to a pool of threads that belongs to this device alone.
///
/// Objects must be made with std::make_shared: a submitted request holds its
/// device, because a thread that hangs in the kernel may go on in execute()
/// long after everybody else has forgotten the device.
class BlockingDevice : public Device, public std::enable_shared_from_this<BlockingDevice> {
public:
    /// `done` gets ESHUTDOWN before start(), after stop(), and when stop()
    /// leaves the request hanging.
    void submit(std::shared_ptr<Request> request, Completion done) override;
    void start() override;
    void stop(std::chrono::milliseconds limit) override;

protected:
    explicit BlockingDevice(std::string thread_name, unsigned max_threads = 16);

private:
    WorkerPool pool_;
};

}  // namespace resilience
