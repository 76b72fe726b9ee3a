// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Who may be believed at a start: the decision, with no I/O in it.
//
// What goes in: what the memory says (or that there is none), who was named on the
// command line and is there, and what the person at the keyboard has said.  What comes
// out: a role for each child, or why there is no start and what the ways out are.
//
// docs/quorum-memory.md has the table, tests/unit/test-quorum-memory-plan.cc goes
// through all of it.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/core/content_witness.h"
#include "common/core/dirty_bitmap.h"
#include "common/format/quorum_memory.h"

namespace resilience::quorum {

/// Of a plugin below a filter that does not say what it serves.
inline constexpr const char* unknown_spec = "next";

/// A child of the command line.
struct Candidate {
    std::string name;     ///< the given one; empty: it has none
    std::string spec;     ///< absolute; unknown_spec: nobody can say what it is
    std::string label;    ///< for people: the name, or the SPEC as it was given
    bool present = true;  ///< it could be opened
    std::string missing;  ///< why not
    /// What a comparison with the memory's witness has found; nothing: none was possible.
    WitnessFindings seen = {};
};

/// What is taken for true when a set is made.
enum class Create : std::uint8_t {
    equal,     ///< all children are there, and equal
    degraded,  ///< the same of those that are there; the others are filled when they come
    fill,      ///< one has the content, the others are filled
};

struct Wishes {
    std::size_t threshold = 0;
    Create create = Create::equal;
    std::string source;       ///< with fill: the child's name or SPEC
    std::string force_start;  ///< this child's content is the truth; empty: nobody's
};

struct Role {
    std::size_t place = 0;  ///< of its member in the memory
    memoryfile::MemberState state = memoryfile::MemberState::current;
    bool is_new = false;    ///< the member has to be made
    bool wholly_stale = false;  ///< whatever its stale map says: it may be another disk
};

struct Plan {
    std::string refusal;         ///< not empty: no start, for this reason
    std::vector<Role> roles;     ///< of the candidates, in their order
    std::vector<std::size_t> away;  ///< members that nobody has named
    /// The candidate whose content all others get, before anything else is believed.
    std::optional<std::size_t> source;
};

/// `memory` null: a new set.  Pure.
Plan plan_start(const memoryfile::Content* memory, const std::vector<Candidate>& candidates,
                const Wishes& wishes);

/// What a member misses, by the memory; null: nothing.
std::shared_ptr<DirtyBitmap> missing_of(const memoryfile::Content& memory, const Role& role);

/// What the memory begins with: what was found (null: nothing), as the plan has it; of a
/// device of `size` bytes.
memoryfile::Content first_content(const memoryfile::Content* found, const Plan& plan,
                                  const std::vector<Candidate>& candidates, std::uint64_t size);

/// Which members the candidates are: by name, then by SPEC.  nullopt: a new one.
std::vector<std::optional<std::size_t>> match_members(
    const memoryfile::Content& memory, const std::vector<Candidate>& candidates);

}  // namespace resilience::quorum
