// SPDX-License-Identifier: BSD-3-Clause
#include "tests/sim/quorum/simulated_device.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

namespace resilience::sim {

namespace {

using namespace std::chrono_literals;

/// A server that lost our connection may carry out what it has read from it
/// for so long (the engine allows for 500 ms).
constexpr Duration aftermath = 400ms;

bool all_zero(const std::byte* data, std::uint64_t length)
{
    return data[0] == std::byte{0} && std::memcmp(data, data + 1, length - 1) == 0;
}

bool fits(FaultKind kind, Op op)
{
    switch (kind) {
    case FaultKind::read_error:
    case FaultKind::flip_on_read: return op == Op::read;
    case FaultKind::write_error: return op == Op::write || op == Op::zero;
    case FaultKind::flush_error: return op == Op::flush;
    case FaultKind::lost_write:
    case FaultKind::misdirected: return op == Op::write;
    default: return true;
    }
}

}  // namespace

const char* to_string(FaultKind kind)
{
    static const char* const names[fault_kinds] = {
        "read-error", "write-error", "flush-error", "stall",  "flip-on-read", "lost-write",
        "misdirected", "flip-at-rest", "zeroed",    "freeze", "crash",        "reset",
        "slow"};
    return names[static_cast<std::size_t>(kind)];
}

SimulatedDevice::SimulatedDevice(World& world, std::string name, std::uint64_t size, bool local,
                                 Permit permit, Say say)
    : world_(world), name_(std::move(name)), local_(local), permit_(std::move(permit)), say_(std::move(say)),
      content_(size), medium_(size), unflushed_(size / sector_size), lied_(size / sector_size),
      unreadable_(size / sector_size)
{
}

// ---- faults

void SimulatedDevice::thaw()
{
    frozen_ = false;
    Duration after{};
    for (Pending& pending : pending_) {
        if (std::exchange(pending.parked, false)) {
            after += world_.random().duration(1us, 500us);
            const std::uint64_t number = pending.number;
            world_.after(after, [this, number] { carry_out_pending(number); });
        }
    }
}

/// What is in flight is carried out in part, now or a little later, and nobody
/// is told.  A server that crashed carries out nothing later.
void SimulatedDevice::lose_link(bool forget)
{
    link_ = Link::down;
    if (std::exchange(frozen_, false) && forget) {
        // Killed while stopped: it has not seen what it was sent meanwhile.
        std::erase_if(armed_, [](const Armed&) { return true; });
    }
    PendingList cut = std::exchange(pending_, {});
    for (Pending& pending : cut) {
        if (!pending.result && world_.random().one_in(2)) {
            const std::shared_ptr<Request> request = pending.request;
            if (forget || pending.parked || world_.random().one_in(2)) {
                if (!(forget && pending.parked)) {
                    carry_out(*request, std::nullopt);
                }
            } else {
                world_.after(world_.random().duration(0ms, aftermath),
                             [this, request] { carry_out(*request, std::nullopt); });
            }
        }
    }
    if (forget) {
        last_crash_ = world_.now();
        for (std::uint64_t s = 0; s < unflushed_.size(); s++) {
            if (!unflushed_[s]) {
                continue;
            }
            if (unflushed_[s] == 1 && world_.random().one_in(3)) {
                make_durable(s);  // it had been written back already
            } else {
                std::memcpy(&content_[s * sector_size], &medium_[s * sector_size], sector_size);
                unflushed_[s] = 0;
            }
        }
    }
    for (Pending& pending : cut) {
        pending.done(ENOTCONN);
    }
}

void SimulatedDevice::return_link()
{
    link_ = link_ == Link::down ? Link::returned : link_;
}

void SimulatedDevice::flip(std::uint64_t offset)
{
    const auto bit = static_cast<std::byte>(1U << world_.random().below(8));
    content_[offset] ^= bit;
    medium_[offset] ^= bit;
    lied_[offset / sector_size] = 1;
    ever_lied_ = true;
}

void SimulatedDevice::zero_out(ByteRange range)
{
    for (auto* image : {&content_, &medium_}) {
        std::fill(image->begin() + static_cast<std::ptrdiff_t>(range.begin),
                  image->begin() + static_cast<std::ptrdiff_t>(range.end), std::byte{0});
    }
    for (std::uint64_t s = range.begin / sector_size; s < range.end / sector_size; s++) {
        lied_[s] = 1;
        unflushed_[s] = 0;
    }
    ever_lied_ = true;
}

void SimulatedDevice::scribble()
{
    for (std::uint64_t at = 0; at < content_.size(); at += sizeof(std::uint64_t)) {
        const std::uint64_t junk = world_.random().next();
        std::memcpy(&content_[at], &junk, sizeof junk);
    }
    medium_ = content_;
}

bool SimulatedDevice::troubled() const
{
    const auto late = [&](const Pending& p) { return p.stalled || world_.now() - p.arrived > 100ms; };
    return frozen_ || slow_ || stopped_ || link_ != Link::up ||
           std::any_of(pending_.begin(), pending_.end(), late);
}

std::uint64_t SimulatedDevice::first_word(const std::vector<std::byte>& image,
                                          std::uint64_t sector)
{
    std::uint64_t word = 0;
    std::memcpy(&word, &image[sector * sector_size], sizeof word);
    return word;
}

// ---- Device

Capabilities SimulatedDevice::capabilities() const
{
    Capabilities all;
    all.fua = all.zero = all.fast_zero = all.trim = all.extents = all.cache = true;
    all.forgets_unflushed = !local_;
    return all;
}

bool SimulatedDevice::immediate(Op) const
{
    return local_;
}

int SimulatedDevice::execute(Request&)
{
    return EDEADLK;  // whoever calls this may hang: an engine must not
}

std::optional<int> SimulatedDevice::execute_now(Request& request)
{
    world_.preempt();
    if (!local_ || frozen_ || slow_ || stopped_ || world_.random().one_in(4)) {
        return std::nullopt;
    }
    return carry_out(request, fault_for(request));
}

Link SimulatedDevice::link() const
{
    world_.preempt();
    return link_;
}

void SimulatedDevice::resume()
{
    link_ = link_ == Link::returned ? Link::up : link_;
}

void SimulatedDevice::stop(std::chrono::milliseconds)
{
    stopped_ = true;
    for (Pending& pending : std::exchange(pending_, {})) {
        pending.done(ESHUTDOWN);
    }
}

Duration SimulatedDevice::some_time()
{
    Random& random = world_.random();
    const Duration time = random.one_in(30) ? random.duration(1ms, 40ms)
                          : random.one_in(3) ? random.duration(100us, 3ms)
                                             : random.duration(10us, 300us);
    return slow_ ? 100 * std::min<Duration>(time, 3ms) : time;
}

void SimulatedDevice::submit(std::shared_ptr<Request> request, Completion done)
{
    world_.preempt();
    if (stopped_ || link_ != Link::up) {
        done(stopped_ ? ESHUTDOWN : ENOTCONN);
        return;
    }
    if (at_next_change_ && modifies(request->op)) {
        world_.after(world_.random().duration(0us, 200us), std::exchange(at_next_change_, nullptr));
    }
    const std::uint64_t number = next_number_++;
    pending_.push_back({number, world_.now(), std::move(request), std::move(done), {}, false, false});
    world_.after(some_time(), [this, number] { carry_out_pending(number); });
}

SimulatedDevice::PendingList::iterator SimulatedDevice::find(std::uint64_t number)
{
    return std::find_if(pending_.begin(), pending_.end(),
                        [&](const Pending& pending) { return pending.number == number; });
}

void SimulatedDevice::carry_out_pending(std::uint64_t number)
{
    const auto pending = find(number);
    if (pending == pending_.end()) {
        return;
    }
    if (frozen_) {
        pending->parked = true;
        return;
    }
    if (pending->result) {  // only the answer was missing
        answer_pending(number);
        return;
    }
    const std::optional<Armed> fault = fault_for(*pending->request);
    if (fault && fault->kind == FaultKind::stall) {
        pending->stalled = true;
        world_.after(world_.random().duration(100ms, 1500ms),
                     [this, number] { carry_out_pending(number); });
        return;
    }
    pending->result = carry_out(*pending->request, fault);
    world_.after(some_time(), [this, number] { answer_pending(number); });
}

void SimulatedDevice::answer_pending(std::uint64_t number)
{
    const auto pending = find(number);
    if (pending == pending_.end()) {
        return;
    }
    if (frozen_) {  // stopped before it could answer
        pending->parked = true;
        return;
    }
    const Pending answered = std::move(*pending);
    pending_.erase(pending);
    answered.done(*answered.result);
}

std::optional<SimulatedDevice::Armed> SimulatedDevice::fault_for(const Request& request)
{
    const auto found = std::find_if(armed_.begin(), armed_.end(), [&](const Armed& armed) {
        return fits(armed.kind, request.op);
    });
    if (found == armed_.end()) {
        return std::nullopt;
    }
    const Armed armed = *found;
    armed_.erase(found);
    const ByteRange range = request.op == Op::flush || armed.kind == FaultKind::stall
                                ? ByteRange{0, size()}
                                : ByteRange{request.offset, request.end()};
    if (!permit_(armed.kind, range)) {
        return std::nullopt;
    }
    return armed;
}

// ---- what a request does

int SimulatedDevice::carry_out(Request& request, const std::optional<Armed>& fault)
{
    if (say_ && request.op != Op::read) {
        say_(fmt::format("    {}: {} {}+{}{}", name_, to_string(request.op), request.offset,
                         request.length, fault ? to_string(fault->kind) : ""));
    }
    if (fault && request.op != Op::read && request.op != Op::flush &&
        fault->kind != FaultKind::stall) {
        return carry_out_badly(request, *fault);
    }
    switch (request.op) {
    case Op::read:
        if (fault && fault->kind == FaultKind::read_error) {
            const std::uint64_t sectors = request.length / sector_size;
            unreadable_[request.offset / sector_size + world_.random().below(sectors)] = 1;
        }
        return read(request, fault && fault->kind == FaultKind::flip_on_read);
    case Op::write:
    case Op::zero:
    case Op::trim: return store(request);
    case Op::flush: return flush(fault);
    case Op::extents: list_extents(request); return 0;
    case Op::cache: return 0;
    }
    return EINVAL;
}

int SimulatedDevice::carry_out_badly(Request& request, const Armed& fault)
{
    switch (fault.kind) {
    case FaultKind::write_error:
        for (std::uint64_t s = request.offset / sector_size; s < request.end() / sector_size; s++) {
            if (world_.random().one_in(2)) {
                store_sector(request, s);
            }
        }
        return fault.error;
    case FaultKind::misdirected:
        store_elsewhere(request);
        [[fallthrough]];
    case FaultKind::lost_write:
        ever_lied_ = true;
        for (std::uint64_t s = request.offset / sector_size; s < request.end() / sector_size; s++) {
            lied_[s] = 1;
        }
        return 0;
    default: return store(request);
    }
}

int SimulatedDevice::read(Request& request, bool flipped)
{
    for (std::uint64_t s = request.offset / sector_size; s < request.end() / sector_size; s++) {
        if (unreadable_[s]) {
            return EIO;
        }
    }
    std::memcpy(request.into.data(), &content_[request.offset], request.length);
    if (flipped) {
        ever_lied_ = true;
        request.into[world_.random().below(request.length)] ^= std::byte{1};
    }
    return 0;
}

int SimulatedDevice::store(const Request& request)
{
    for (std::uint64_t s = request.offset / sector_size; s < request.end() / sector_size; s++) {
        store_sector(request, s);
    }
    return 0;
}

void SimulatedDevice::store_sector(const Request& request, std::uint64_t sector)
{
    std::byte* const target = &content_[sector * sector_size];
    if (request.op == Op::write) {
        std::memcpy(target, request.from.data() + (sector * sector_size - request.offset),
                    sector_size);
    } else {
        std::memset(target, 0, sector_size);
    }
    unflushed_[sector] = 1;
    lied_[sector] = unreadable_[sector] = 0;
    if (request.flags.fua) {
        make_durable(sector);
    }
}

/// A write hits another place of the same disk.
void SimulatedDevice::store_elsewhere(const Request& request)
{
    const std::uint64_t places = (size() - request.length) / sector_size + 1;
    Request other = request;
    other.offset = world_.random().below(places) * sector_size;
    if (!permit_(FaultKind::misdirected, {other.offset, other.end()})) {
        return;
    }
    store(other);
    for (std::uint64_t s = other.offset / sector_size; s < other.end() / sector_size; s++) {
        lied_[s] = 1;
    }
}

void SimulatedDevice::make_durable(std::uint64_t sector)
{
    std::memcpy(&medium_[sector * sector_size], &content_[sector * sector_size], sector_size);
    unflushed_[sector] = 0;
}

/// After a failed flush, systems are known to count what they could not write
/// as written: it can be read, and is gone after a crash.
int SimulatedDevice::flush(const std::optional<Armed>& fault)
{
    for (std::uint64_t s = 0; s < unflushed_.size(); s++) {
        if (unflushed_[s] != 1) {
            continue;
        }
        if (fault && fault->kind == FaultKind::flush_error && world_.random().one_in(2)) {
            unflushed_[s] = 2;  // no later flush will write it
        } else {
            make_durable(s);
        }
    }
    return fault && fault->kind == FaultKind::flush_error ? fault->error : 0;
}

void SimulatedDevice::list_extents(Request& request)
{
    request.extents.clear();
    for (std::uint64_t at = request.offset; at < request.end(); at += sector_size) {
        const bool zero = all_zero(&content_[at], sector_size);
        if (!request.extents.empty() && request.extents.back().zero == zero) {
            request.extents.back().length += sector_size;
        } else {
            request.extents.push_back({sector_size, zero, zero});
        }
    }
}

}  // namespace resilience::sim
