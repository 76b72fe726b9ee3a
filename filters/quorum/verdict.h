// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// One word that says how a quorum is, and what follows from it for people.
//
// Pure: facts in, verdict out; docs/status.md has the table.  The rule is that
// `healthy` is never said of a set of which anything wrong is known, and that of
// several things the worst one is the word.  What nobody has looked at is not
// judged (an optional without a value), so that it is neither good nor bad.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace resilience::quorum {

/// The worst first.
enum class Word : std::uint8_t {
    failed,          ///< a part of the device, or all of it, cannot be read or written
    degraded,        ///< a member is missing, or misses something that nobody copies
    differs,         ///< a member is known to be wrong somewhere
    resyncing,       ///< what a member misses is being copied
    never_compared,  ///< not compared since the last reason to doubt
    without_memory,  ///< a restart forgets who is current
    healthy,
};

/// As it stands in the status.
std::string_view to_string(Word word);

/// What is known of one member.
struct MemberFacts {
    std::string name;
    bool online = true;
    std::string absence{};              ///< why it is not online
    std::string foreign{};              ///< why it is not the disk that was left; empty: it is
    std::uint64_t stale_bytes = 0;      ///< that it misses
    std::uint64_t differing_bytes = 0;  ///< where it is wrong or unreadable, and not stale
    bool last_copy = false;             ///< and it may be right: the others have zeroes there
    bool unrecorded = false;            ///< the memory does not call it current
    bool paused = false;                ///< resync-pause
    bool cancelled = false;             ///< resync-cancel
    std::string blocked{};              ///< where and why it cannot be copied to; empty: it can
};

struct Facts {
    std::size_t threshold = 1;   ///< members that must do a write or a flush
    std::size_t read_votes = 1;  ///< members that must hold what is read
    bool heals = false;          ///< rewrite-corrupted
    bool may_grow = true;        ///< a member can be added (not with blkverify)
    std::vector<MemberFacts> members{};
    std::uint64_t unreadable_bytes = 0;  ///< what is right is on fewer than read_votes members there
    std::size_t fewest = 0;              ///< members there that hold it, where they are fewest
    bool fenced = false;                 ///< another server has the set now
    std::uint64_t unsettled_bytes = 0;   ///< where a write may have been under way at a crash
    std::vector<std::string> lost_copies{};  ///< of the memory: which, and why
    std::optional<bool> has_memory{};
    std::optional<bool> compared{};  ///< since the last reason to doubt
};

/// Something that is wrong, with a member's name where it is one's.
struct Trouble {
    Word word = Word::healthy;
    std::string text;
    std::string advice;
};

struct Verdict {
    Word word = Word::healthy;
    std::vector<std::string> details{};  ///< a sentence for each trouble, the worst first
    std::size_t survivable_failures = 0; ///< of members, in the worst place, with nothing lost
    std::vector<std::string> advice{};   ///< what to do, in the order of the details
};

/// What is wrong with one member, the worst first.  `heals`: of Facts.
std::vector<Trouble> troubles_of(const MemberFacts& member, bool heals);

Verdict judge(const Facts& facts);

}  // namespace resilience::quorum
