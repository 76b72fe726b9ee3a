// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The copies of a quorum's memory, as one.
//
// All copies are equal.  A write goes to all of them at the same time and counts when
// `needed` of them have it durably; one that fails, or is too slow, is lost: it gets
// nothing more, since what it missed once would be missing for ever, until mend() has
// written it anew.
//
// What others may do wrong: another server may have taken the memory over.  So before
// each write the root is read again, and a root that is not ours ends everything: this
// store never writes again (fenced()).  Two servers on one machine do not come that far,
// the file's lock keeps the second one out.

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "common/device/device.h"
#include "common/device/pending.h"
#include "common/format/quorum_memory.h"
#include "common/thread/clock.h"

namespace resilience::quorum {

class MemoryStore {
public:
    /// A place for a copy; `slots` are empty for one that has to be written anew.
    struct Place {
        std::string name;  ///< for people: the path or SPEC
        std::shared_ptr<Device> device;
        std::vector<std::uint8_t> slots;
    };
    using Pages = std::vector<std::pair<std::uint64_t, memoryfile::Payload>>;

    /// `newest`: the highest number in any copy.  `timeout`: what a copy may take for each
    /// of reading, writing and flushing.
    MemoryStore(std::vector<Place> places, std::uint64_t newest, std::size_t needed,
                Duration timeout, Clock& clock);

    /// From now on the memory is that of `root`: what stands in the copies may be of
    /// before it (`taken`), or it.
    void own(const memoryfile::Root& root, const std::optional<memoryfile::Root>& taken);

    /// Writes pages durably.  0; ESTALE: fenced; EIO: fewer than needed have them.  For
    /// one thread at a time, like mend().
    int write(const Pages& pages);
    /// Whether any copy that is lost, or new, has answered by `deadline`; from any thread,
    /// one at a time.  Fences if another server has written it: it may be all that that
    /// one has.
    bool lost_answer(TimePoint deadline);
    /// Writes those that have answered anew with all pages.
    void mend(const Pages& everything);
    /// Reads the root of each copy.  0, ESTALE, or EIO if none can be read.
    int check();

    bool fenced() const { return fenced_.load(); }
    std::size_t needed() const { return needed_; }
    std::size_t copies() const { return places_.size(); }
    /// How many are written, and count.
    std::size_t good() const { return good_.load(); }
    /// A line for each copy that is lost: why.  From any thread.
    std::vector<std::string> lost() const;

    void start();
    void stop(std::chrono::milliseconds limit);

private:
    struct Slot : Place {
        std::atomic<bool> good{false};
        std::atomic<bool> answers{false};  ///< and is not good: it may be mended
        std::string error;
        std::unique_ptr<Pending> probe;    ///< see lost_answer()
        std::shared_ptr<std::atomic<int>> in_flight = std::make_shared<std::atomic<int>>(0);
    };
    struct Io;

    std::vector<Io> at_all(const std::function<void(Slot&, Io&)>& begin, bool good);
    memoryfile::Root root() const;
    void lose(Slot& place, const std::string& what, int error);
    enum class Owner : std::uint8_t { we, another, nobody };
    Owner owner_by(std::span<const std::byte> slots) const;
    std::unique_ptr<Pending> send(Slot& place, const Request& request);
    bool is_newer(std::span<const std::byte> slots) const;
    void put(Slot& place, Io& io, const Pages& pages, bool both);
    void write_to(bool good, const Pages& pages, bool both);
    void count();

    std::deque<Slot> places_;
    std::uint64_t number_;
    const std::size_t needed_;
    const Duration timeout_;
    Clock& clock_;
    memoryfile::Root root_;
    std::optional<memoryfile::Root> taken_;
    std::atomic<bool> fenced_{false};
    std::atomic<std::size_t> good_{0};
    mutable std::mutex mutex_;  ///< of the errors in places_, and the roots
};

}  // namespace resilience::quorum
