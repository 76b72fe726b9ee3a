// SPDX-License-Identifier: BSD-3-Clause
#include "filters/quorum/memory_store.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "common/core/log.h"
#include "common/device/pending.h"

namespace resilience::quorum {

using memoryfile::Layout;
using memoryfile::page_bytes;

namespace {

/// nullopt: none that is sound.
std::optional<memoryfile::Root> root_in(std::span<const std::byte> slots)
{
    try {
        return memoryfile::decode_root_slots(slots);
    } catch (const std::exception&) {
        return std::nullopt;
    }
}

}  // namespace

/// Requests to one copy, under way together.
struct MemoryStore::Io {
    Slot* place = nullptr;
    std::vector<std::unique_ptr<Pending>> requests;
    int error = 0;
};

MemoryStore::MemoryStore(std::vector<Place> places, std::uint64_t newest, std::size_t needed,
                         Duration timeout, Clock& clock)
    : number_(newest + 1), needed_(needed), timeout_(timeout), clock_(clock)
{
    for (Place& place : places) {
        Slot& slot = places_.emplace_back();
        static_cast<Place&>(slot) = std::move(place);
        slot.good = !slot.slots.empty();
        slot.error = slot.good ? "" : "it is new";
    }
    count();
}

void MemoryStore::own(const memoryfile::Root& root, const std::optional<memoryfile::Root>& taken)
{
    const std::lock_guard lock(mutex_);
    root_ = root;
    taken_ = taken;
}

memoryfile::Root MemoryStore::root() const
{
    const std::lock_guard lock(mutex_);
    return root_;
}

void MemoryStore::count()
{
    good_ = static_cast<std::size_t>(
        std::ranges::count_if(places_, [](const Slot& place) { return place.good.load(); }));
}

void MemoryStore::lose(Slot& place, const std::string& what, int error)
{
    const std::string why = fmt::format("{}: {}", what, std::strerror(error));
    bool known = false;
    {
        const std::lock_guard lock(mutex_);
        known = !place.good && place.error == why;
        place.good = false;
        place.answers = false;
        place.error = why;
    }
    count();
    if (known) {
        return;
    }
    log::warning("quorum: the copy of the memory in '{}' is lost: {}", place.name, why);
}

std::vector<std::string> MemoryStore::lost() const
{
    const std::lock_guard lock(mutex_);
    std::vector<std::string> lines;
    for (const Slot& place : places_) {
        if (!place.good) {
            lines.push_back(fmt::format("'{}': {}", place.name, place.error));
        }
    }
    return lines;
}

/// Begins something at all that are (not) good, and waits for it.
std::vector<MemoryStore::Io> MemoryStore::at_all(const std::function<void(Slot&, Io&)>& begin,
                                                 bool good)
{
    std::vector<Io> all;
    for (Slot& place : places_) {
        if ((good ? place.good : place.answers) && place.device->link() == Link::up) {
            Io& io = all.emplace_back();
            io.place = &place;
            begin(place, io);
        } else if (place.good && good) {
            lose(place, "it is not there", ENOTCONN);
        }
    }
    const TimePoint deadline = clock_.now() + timeout_;
    for (Io& io : all) {
        for (const auto& request : io.requests) {
            const int error = request->wait_until(deadline).value_or(ETIMEDOUT);
            io.error = io.error != 0 ? io.error : error;
        }
    }
    return all;
}

/// What a root that was read says of whose the memory is.
MemoryStore::Owner MemoryStore::owner_by(std::span<const std::byte> slots) const
{
    const auto found = root_in(slots);
    if (!found) {
        return Owner::nobody;
    }
    const std::lock_guard lock(mutex_);
    const auto written_by = [&](const memoryfile::Root& root) {
        return found->set == root.set && found->server == root.server;
    };
    return written_by(root_) || (taken_ && written_by(*taken_) && found->epoch <= root_.epoch)
               ? Owner::we
               : Owner::another;
}

bool MemoryStore::is_newer(std::span<const std::byte> slots) const
{
    const auto found = root_in(slots);
    const std::lock_guard lock(mutex_);
    return found && found->set == root_.set && found->server != root_.server &&
           found->epoch >= root_.epoch;
}

int MemoryStore::check()
{
    if (fenced_) {
        return ESTALE;
    }
    Request read;
    read.length = 2 * page_bytes;
    const auto all = at_all(
        [&](Slot& place, Io& io) { io.requests.push_back(send(place, read)); }, true);
    for (const Io& io : all) {
        if (io.error != 0) {
            lose(*io.place, "its root cannot be read", io.error);
            continue;
        }
        switch (owner_by(io.requests.front()->data())) {
        case Owner::we: break;
        case Owner::nobody: lose(*io.place, "its root is damaged", EBADMSG); break;
        case Owner::another: fenced_ = true; break;
        }
    }
    return fenced_ ? ESTALE : good() == 0 ? EIO : 0;
}

/// A request that was left behind counts until it has been answered: it could land on
/// what is written later.
std::unique_ptr<Pending> MemoryStore::send(Slot& place, const Request& request)
{
    place.in_flight->fetch_add(1);
    return std::make_unique<Pending>(
        *place.device, request,
        [in_flight = place.in_flight](int, bool) { in_flight->fetch_sub(1); }, clock_);
}

void MemoryStore::put(Slot& place, Io& io, const Pages& pages, bool both)
{
    const std::uint64_t key = memoryfile::key_of(root().set);
    const auto write = [&](std::uint64_t page, const memoryfile::Payload& payload, unsigned slot,
                           std::uint64_t number) {
        memoryfile::PageBytes bytes;
        mapfile::encode_slot(payload, number, key, page, slot, bytes);
        Request request;
        request.op = Op::write;
        request.offset = mapfile::slot_offset(page, slot);
        request.length = bytes.size();
        request.from = bytes;
        io.requests.push_back(send(place, request));
    };
    for (const auto& [page, payload] : pages) {
        const std::uint8_t now = place.slots[page];
        if (both || now == memoryfile::never_written) {
            write(page, payload, 1, number_ - 1);
            write(page, payload, 0, number_);
            place.slots[page] = 0;
        } else {
            place.slots[page] = 1 - now;
            write(page, payload, place.slots[page], number_);
        }
    }
}

/// All that fail on the way are lost.
void MemoryStore::write_to(bool good, const Pages& pages, bool both)
{
    number_ += 2;  // a page that is written in both slots takes two
    const auto told = [&](const std::vector<Io>& all, const char* what) {
        for (const Io& io : all) {
            if (io.error != 0) {
                lose(*io.place, what, io.error);
                io.place->slots.clear();  // not known any more
            }
        }
    };
    told(at_all([&](Slot& place, Io& io) {
             if (!place.slots.empty()) {
                 put(place, io, pages, both);
             }
         }, good),
         "it cannot be written");
    Request flush;
    flush.op = Op::flush;
    told(at_all([&](Slot& place, Io& io) {
             if (!place.slots.empty()) {
                 io.requests.push_back(send(place, flush));
             }
         }, good),
         "it cannot be made durable");
}

int MemoryStore::write(const Pages& pages)
{
    if (const int error = check()) {
        return error;
    }
    write_to(true, pages, false);
    return good() >= needed_ ? 0 : EIO;
}

bool MemoryStore::lost_answer(TimePoint deadline)
{
    Request read;
    read.length = 2 * page_bytes;
    for (Slot& place : places_) {
        if (!place.good && place.device->link() == Link::returned) {
            place.device->resume();
        }
        if (!place.good && !place.probe && place.in_flight->load() == 0 &&
            place.device->link() == Link::up) {
            place.probe = send(place, read);
        }
    }
    bool any = false;
    for (Slot& place : places_) {
        // One that is silent is not asked a second time: its answer is taken when it comes.
        const std::optional<int> error = place.probe ? place.probe->wait_until(deadline)
                                                     : std::nullopt;
        if (error) {
            // What another server has written is perhaps all that that one has.
            fenced_ = fenced_ || (*error == 0 && is_newer(place.probe->data()));
            place.answers = *error == 0;
            any = any || *error == 0;
            place.probe.reset();
        }
    }
    return any && !fenced_;
}

/// One after the other: if we are killed in between, the others are as they were.
void MemoryStore::mend(const Pages& everything)
{
    const memoryfile::Root root = this->root();
    memoryfile::Root unfinished = root;
    unfinished.complete = false;
    const Layout layout(root.device_size);
    std::vector<Slot*> lost;
    for (Slot& place : places_) {
        if (place.answers.exchange(false)) {
            lost.push_back(&place);
        }
    }
    for (Slot* const place : lost) {
        if (fenced_) {
            return;
        }
        place->slots.assign(layout.pages(), memoryfile::never_written);
        place->answers = true;
        // First it is a copy that is not finished, then all of it, then it counts.
        write_to(false, {{Layout::root, encode_root(unfinished)}}, true);
        write_to(false, everything, true);
        write_to(false, {{Layout::root, encode_root(root)}}, true);
        if (place->answers.exchange(false) && !place->slots.empty()) {
            const std::lock_guard lock(mutex_);
            place->good = true;
            place->error.clear();
        }
        count();
    }
}

void MemoryStore::start()
{
    for (Slot& place : places_) {
        place.device->start();
    }
}

void MemoryStore::stop(std::chrono::milliseconds limit)
{
    for (Slot& place : places_) {
        place.device->stop(limit);
    }
}

}  // namespace resilience::quorum
