// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Where the memory is, and what is found there at the start.
//
// Everything here is read only, until the plan for the start is made (memory_plan.h):
// a start that is refused leaves no trace.

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/child/child_spec.h"
#include "filters/quorum/memory.h"

namespace resilience::quorum {

/// The copies that there are to be.
struct MemoryPlaces {
    std::vector<ChildSpec> specs;
    std::size_t needed = 0;  ///< on how many an update is before it counts
    std::string note;        ///< for people, at the start; empty: nothing to say
    bool automatic = false;  ///< nobody has named them: one that cannot be made is left out
};

/// For quorum-memory=auto: beside each child that is a regular file on a file system that
/// lasts, as PATH.quorum.  `paths`: the children's, empty for those that are no file.
MemoryPlaces places_beside(const std::vector<std::string>& paths, std::size_t threshold);
/// For those that were named.
MemoryPlaces places_named(std::vector<ChildSpec> specs);

/// What the copies say.
class FoundMemory {
public:
    /// Opens and reads those that are there.  Throws SetupError, which names the copy and
    /// the way out: it is damaged, of another version or size, another kind of file, in
    /// use, or copies contradict each other.  `believe_less`: fewer copies than are
    /// needed to be sure are enough, because somebody has said what is true.
    FoundMemory(MemoryPlaces places, std::chrono::milliseconds timeout, bool believe_less);

    /// The newest; null: there is none, so this is a new set.
    const memoryfile::Content* content() const
    {
        return newest_ ? &newest_->content : nullptr;
    }
    /// For the end of a refusal: in which files the memory is.  Empty: there is none.
    std::string where() const;
    /// Throws SetupError if the memory is one of a device of another size.
    void check_size(std::uint64_t size) const;
    /// Makes those copies that are missing, and all that is needed to write.  `content` is
    /// what the memory begins with.  Null if there is no place at all, which has been said.
    /// Throws SetupError.
    std::unique_ptr<Memory> make(memoryfile::Content content, Clock& clock);

private:
    struct Opened {
        ChildSpec spec;
        std::shared_ptr<Device> device;  ///< null: it is not there
        std::optional<memoryfile::Copy> copy;
        std::string missing;             ///< why not
    };

    void open(Opened& place, bool make) const;
    void read(Opened& place) const;
    void choose(bool believe_less);

    const MemoryPlaces places_;
    const std::chrono::milliseconds timeout_;
    std::vector<Opened> opened_;
    std::optional<memoryfile::Copy> newest_;
};

/// How a member is called in the memory: an absolute path, a URI, or [ COMMAND ].
std::string member_spec(const ChildSpec& spec);

}  // namespace resilience::quorum
