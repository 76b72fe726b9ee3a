// SPDX-License-Identifier: BSD-3-Clause
#include "common/thread/thread_start.h"

#include <pthread.h>
#include <signal.h>

#include "common/core/log.h"

namespace resilience {

namespace {

/// Blocks all signals for its scope; a thread inherits the mask of its maker.
class SignalsBlocked {
public:
    SignalsBlocked()
    {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &old_);
    }
    SignalsBlocked(const SignalsBlocked&) = delete;
    SignalsBlocked& operator=(const SignalsBlocked&) = delete;
    ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &old_, nullptr); }

private:
    sigset_t old_;
};

}  // namespace

std::thread start_thread(const std::string& name, std::function<void()> body)
{
    const SignalsBlocked blocked;
    return std::thread([name = name.substr(0, 15), body = std::move(body)] {
        pthread_setname_np(pthread_self(), name.c_str());
        try {
            body();
        } catch (const std::exception& error) {
            // The last resort: without it one thread's trouble would end the server.
            log::error("the thread {} has ended: {}", name, error.what());
        }
    });
}

}  // namespace resilience
