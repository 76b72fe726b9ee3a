// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A device in memory that does wrong what it is told to do wrong.
//
// It has no thread and no clock of its own: a request is carried out and
// answered on the thread that submits it, unless it is held; a held request
// stays until the test releases it.  So a test decides on every order of
// events, and sleeps for none of them.
//
// There are two contents: what reads see, and what is on the medium.  A write
// changes the first; a flush (or FUA) copies it to the second;
// forget_unflushed() copies it back, as a server does that crashes and starts
// again.

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/core/dirty_bitmap.h"
#include "common/device/device.h"

namespace resilience::test {

/// All members are safe to call from any thread.
class FaultyDevice : public Device {
public:
    /// When a request that is held changes the content: when it arrives (only
    /// the answer is late) or when it is released (it lands late).
    enum class Lands { at_once, when_released };

    explicit FaultyDevice(std::uint64_t size, std::string name = "faulty")
        : name_(std::move(name)), content_(size), medium_(size)
    {
        capabilities_.fua = capabilities_.zero = capabilities_.fast_zero = true;
        capabilities_.trim = capabilities_.extents = capabilities_.cache = true;
        capabilities_.forgets_unflushed = true;
    }

    // ---- what it is; set before use

    Capabilities& traits() { return capabilities_; }
    BlockLimits& limits() { return limits_; }
    /// Whether execute_now() carries requests out (a file in the page cache).
    void set_immediate(bool immediate) { immediate_ = immediate; }

    // ---- what goes wrong

    /// The next `times` requests of this kind that touch `range` fail with
    /// `error` and change nothing.
    void fail(Op op, int error, int times = 1, ByteRange range = everything())
    {
        const std::lock_guard lock(mutex_);
        faults_.push_back({op, range, error, times, {}});
    }
    /// The next `times` reads of byte `offset` see it with these bits flipped;
    /// the content stays right.
    void misread(std::uint64_t offset, std::byte bits, int times = 1)
    {
        const std::lock_guard lock(mutex_);
        faults_.push_back({Op::read, {offset, offset + 1}, 0, times, bits});
    }
    /// Flips bits of the content itself.
    void flip(std::uint64_t offset, std::byte bits)
    {
        const std::lock_guard lock(mutex_);
        content_[offset] ^= bits;
        medium_[offset] ^= bits;
    }
    /// What block status says is a hole, in steps of 4 KiB; else all is data.
    void claim_holes(std::function<bool(std::uint64_t offset)> hole)
    {
        const std::lock_guard lock(mutex_);
        is_hole_ = std::move(hole);
    }
    /// The next `times` calls of execute_now() that touch `range` would have to
    /// wait.
    void would_block(ByteRange range, int times = 1)
    {
        const std::lock_guard lock(mutex_);
        blocking_.push_back({range, times});
    }

    /// From now on submitted requests of this kind (or all) get no answer.
    void hold(Op op, Lands lands = Lands::when_released)
    {
        const std::lock_guard lock(mutex_);
        holds_[static_cast<std::size_t>(op)] = lands;
    }
    void hold_all(Lands lands = Lands::when_released)
    {
        const std::lock_guard lock(mutex_);
        holds_.fill(lands);
    }
    /// Requests are answered again; those that are held stay so.
    void hold_none()
    {
        const std::lock_guard lock(mutex_);
        holds_.fill(std::nullopt);
    }
    std::size_t held() const
    {
        const std::lock_guard lock(mutex_);
        return held_.size();
    }
    /// Waits until `count` requests are held; false after ten seconds.
    bool wait_held(std::size_t count)
    {
        std::unique_lock lock(mutex_);
        return arrived_.wait_for(lock, std::chrono::seconds(10),
                                 [&] { return held_.size() >= count; });
    }
    /// Answers the oldest held request (a given one by its place in the queue).
    void release_one(std::size_t place = 0)
    {
        std::unique_lock lock(mutex_);
        Held one = std::move(held_.at(place));
        held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(place));
        answer(lock, std::move(one));
    }
    /// Answers all held requests, and holds no more.
    void release_all()
    {
        std::unique_lock lock(mutex_);
        holds_.fill(std::nullopt);
        while (!held_.empty()) {
            Held one = std::move(held_.front());
            held_.pop_front();
            answer(lock, std::move(one));
            lock.lock();
        }
    }

    /// The connection breaks: held requests end with ENOTCONN, those that land
    /// when released are never carried out.
    void drop_link()
    {
        std::unique_lock lock(mutex_);
        link_ = Link::down;
        std::deque<Held> cut = std::exchange(held_, {});
        lock.unlock();
        for (Held& one : cut) {
            one.done(ENOTCONN);
        }
    }
    /// It is made again; the user has to resume() it.
    void return_link()
    {
        const std::lock_guard lock(mutex_);
        link_ = Link::returned;
    }
    /// What was written and not flushed is gone.
    void forget_unflushed()
    {
        const std::lock_guard lock(mutex_);
        content_ = medium_;
    }

    // ---- what a test looks at

    /// How many requests of this kind it was asked, in whatever way.
    int count(Op op) const
    {
        const std::lock_guard lock(mutex_);
        return counts_[static_cast<std::size_t>(op)];
    }
    std::vector<std::byte> content() const
    {
        const std::lock_guard lock(mutex_);
        return content_;
    }
    std::byte at(std::uint64_t offset) const
    {
        const std::lock_guard lock(mutex_);
        return content_[offset];
    }
    std::byte on_medium(std::uint64_t offset) const
    {
        const std::lock_guard lock(mutex_);
        return medium_[offset];
    }
    /// Changes the content behind the user's back.
    void fill(ByteRange range, std::byte value)
    {
        const std::lock_guard lock(mutex_);
        for (auto* bytes : {&content_, &medium_}) {
            std::fill(bytes->begin() + range.begin, bytes->begin() + range.end, value);
        }
    }
    /// Called (outside of locks) before a request is carried out or held.
    void on_request(std::function<void(const Request&)> hook)
    {
        const std::lock_guard lock(mutex_);
        hook_ = std::move(hook);
    }
    /// What progress() says.
    void on_progress(std::function<Progress()> hook)
    {
        const std::lock_guard lock(mutex_);
        progress_ = std::move(hook);
    }
    /// Held requests stay so even when the device is stopped.
    void hang_in_stop()
    {
        const std::lock_guard lock(mutex_);
        hangs_in_stop_ = true;
    }
    bool stopped() const
    {
        const std::lock_guard lock(mutex_);
        return stopped_;
    }

    // ---- Device

    std::string describe() const override { return name_; }
    std::uint64_t size() const override { return content_.size(); }
    Capabilities capabilities() const override { return capabilities_; }
    BlockLimits block_limits() const override { return limits_; }
    Link link() const override
    {
        const std::lock_guard lock(mutex_);
        return link_;
    }
    std::string link_error() const override { return link() == Link::up ? "" : "test"; }
    void resume() override
    {
        const std::lock_guard lock(mutex_);
        link_ = link_ == Link::returned ? Link::up : link_;
    }
    Progress progress() const override
    {
        const std::lock_guard lock(mutex_);
        return progress_ ? progress_() : Progress{};
    }
    bool immediate(Op) const override { return immediate_; }

    int execute(Request& request) override
    {
        tell(request);
        const std::lock_guard lock(mutex_);
        return carry_out(request);
    }
    std::optional<int> execute_now(Request& request) override
    {
        {
            const std::lock_guard lock(mutex_);
            const auto blocks = [&](Blocking& fault) {
                return overlap(fault.range, request) && fault.times > 0 && fault.times-- > 0;
            };
            if (!immediate_ || std::any_of(blocking_.begin(), blocking_.end(), blocks)) {
                return std::nullopt;
            }
        }
        return execute(request);
    }
    void submit(std::shared_ptr<Request> request, Completion done) override
    {
        tell(*request);
        std::unique_lock lock(mutex_);
        const auto lands = holds_[static_cast<std::size_t>(request->op)];
        if (lands && link_ == Link::up && !stopped_) {
            std::optional<int> result;
            if (lands == Lands::at_once) {
                result = carry_out(*request);
            }
            held_.push_back({std::move(request), std::move(done), result});
            arrived_.notify_all();
            return;
        }
        const int error = carry_out(*request);
        lock.unlock();
        done(error);
    }
    /// Also after stop(): another server uses it.
    void start() override
    {
        const std::lock_guard lock(mutex_);
        stopped_ = false;
    }
    void stop(std::chrono::milliseconds) override
    {
        std::unique_lock lock(mutex_);
        stopped_ = true;
        if (hangs_in_stop_) {
            return;
        }
        std::deque<Held> cut = std::exchange(held_, {});
        lock.unlock();
        for (Held& one : cut) {
            one.done(ESHUTDOWN);
        }
    }

private:
    struct Fault {
        Op op;
        ByteRange range;
        int error;
        int times;
        std::byte bits;
    };
    struct Blocking {
        ByteRange range;
        int times;
    };
    struct Held {
        std::shared_ptr<Request> request;
        Completion done;
        std::optional<int> result;  ///< it has been carried out already
    };

    static constexpr ByteRange everything() { return {0, ~0ULL}; }
    static bool overlap(ByteRange range, const Request& request)
    {
        return request.op == Op::flush ||
               (range.begin < request.end() && request.offset < range.end);
    }

    void tell(const Request& request)
    {
        std::function<void(const Request&)> hook;
        {
            const std::lock_guard lock(mutex_);
            hook = hook_;
        }
        if (hook) {
            hook(request);
        }
    }

    void answer(std::unique_lock<std::mutex>& lock, Held one)
    {
        const int error = one.result ? *one.result : carry_out(*one.request);
        lock.unlock();
        one.done(error);
    }

    int carry_out(Request& request)
    {
        counts_[static_cast<std::size_t>(request.op)]++;
        if (stopped_) {
            return ESHUTDOWN;
        }
        if (link_ != Link::up) {
            return ENOTCONN;
        }
        std::vector<Fault*> misreads;
        for (Fault& fault : faults_) {
            if (fault.op != request.op || fault.times == 0 || !overlap(fault.range, request)) {
                continue;
            }
            fault.times--;
            if (fault.error != 0) {
                return fault.error;
            }
            misreads.push_back(&fault);
        }
        const int error = do_it(request);
        for (const Fault* fault : misreads) {
            request.into[fault->range.begin - request.offset] ^= fault->bits;
        }
        return error;
    }

    int do_it(Request& request)
    {
        const auto from = static_cast<std::ptrdiff_t>(request.offset);
        const auto to = static_cast<std::ptrdiff_t>(request.end());
        switch (request.op) {
        case Op::read:
            std::memcpy(request.into.data(), content_.data() + from, request.length);
            return 0;
        case Op::write:
            std::memcpy(content_.data() + from, request.from.data(), request.length);
            break;
        case Op::zero:
        case Op::trim:
            if (request.flags.fast_zero && !capabilities_.fast_zero) {
                return ENOTSUP;
            }
            std::fill(content_.begin() + from, content_.begin() + to, std::byte{0});
            break;
        case Op::flush: medium_ = content_; return 0;
        case Op::extents: list_extents(request); return 0;
        case Op::cache: return 0;
        }
        if (request.flags.fua) {
            std::copy(content_.begin() + from, content_.begin() + to, medium_.begin() + from);
        }
        return 0;
    }

    void list_extents(Request& request)
    {
        request.extents.clear();
        for (std::uint64_t at = request.offset; at < request.end();) {
            const std::uint64_t end = std::min<std::uint64_t>(request.end(), (at / 4096 + 1) * 4096);
            const bool hole = is_hole_ && is_hole_(at);
            request.extents.push_back({end - at, hole, hole});
            at = end;
        }
    }

    const std::string name_;
    Capabilities capabilities_;
    BlockLimits limits_;
    std::atomic<bool> immediate_{false};

    mutable std::mutex mutex_;
    std::condition_variable arrived_;
    std::vector<std::byte> content_;
    std::vector<std::byte> medium_;
    std::list<Fault> faults_;
    std::list<Blocking> blocking_;
    std::array<std::optional<Lands>, 7> holds_;
    std::deque<Held> held_;
    std::array<int, 7> counts_{};
    std::function<void(const Request&)> hook_;
    std::function<Progress()> progress_;
    std::function<bool(std::uint64_t)> is_hole_;
    Link link_ = Link::up;
    bool stopped_ = false;
    bool hangs_in_stop_ = false;
};

}  // namespace resilience::test
