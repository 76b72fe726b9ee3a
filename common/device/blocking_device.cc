// SPDX-License-Identifier: BSD-3-Clause
#include "common/device/blocking_device.h"

#include <atomic>
#include <utility>

namespace resilience {

namespace {

/// A request in the hands of the pool.  stop() may give up on it while a
/// thread still hangs in it, so both may want to complete it; the first does.
struct Task {
    std::shared_ptr<Device> device;
    std::shared_ptr<Request> request;
    Completion done;
    std::atomic_flag completed = ATOMIC_FLAG_INIT;

    Task(std::shared_ptr<Device> d, std::shared_ptr<Request> r, Completion c)
        : device(std::move(d)), request(std::move(r)), done(std::move(c))
    {
    }

    void complete(int error)
    {
        if (!completed.test_and_set()) {
            done(error);
        }
    }
};

}  // namespace

BlockingDevice::BlockingDevice(std::string thread_name, unsigned max_threads)
    : pool_(std::move(thread_name), max_threads)
{
}

void BlockingDevice::submit(std::shared_ptr<Request> request, Completion done)
{
    auto task = std::make_shared<Task>(shared_from_this(), std::move(request), std::move(done));
    pool_.submit([task] { task->complete(task->device->execute(*task->request)); },
                 [task](int error) { task->complete(error); });
}

void BlockingDevice::start()
{
    pool_.start();
}

void BlockingDevice::stop(std::chrono::milliseconds limit)
{
    pool_.stop(limit);
}

}  // namespace resilience
