// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Who a side is: a small file beside its disk that outlives the server.
// docs/formats/replication.md has the table.  What is decided with it is in
// pair.h.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace resilience::replication {

/// Sixteen random bytes that both sides of a pair have, and nobody else.
using PairId = std::array<std::byte, 16>;
/// 32 hexadecimal digits, or "none" for zeroes.
std::string to_string(const PairId& id);
/// From the kernel's random numbers.
PairId random_pair_id();

enum class Role : std::uint32_t {
    none = 0,       ///< belongs to no pair yet
    primary = 1,    ///< was the primary in its epoch
    secondary = 2,
    promoted = 3,   ///< a secondary that has failed over; it serves on its own
};
std::string_view to_string(Role role);

struct Identity {
    PairId pair{};                 ///< zeroes: none yet
    std::uint64_t epoch = 0;       ///< raised by every failover; 0 without a pair
    Role role = Role::none;
    /// Secondary: there is a checkpoint that can be failed over to.  False until
    /// the first copy of the disk has ended.
    bool consistent = false;
    /// Secondary: this disk differs from the primary's at most where the
    /// primary's change map says so.  False until the primary has taken note of
    /// everything (sync_begin): then it has to copy all.
    bool based = false;
    /// Secondary that was the primary before: what it wrote on its own is still
    /// in its change map alone, and has not been taken over (map_taken).
    bool owes_map = false;
    /// Promoted: what was seen is not all in the disk yet, but in active and
    /// hidden.  Such a disk cannot be a primary's.
    bool merging = false;
    std::uint64_t device_size = 0; ///< bytes
    /// Primary: a checkpoint that the secondary has surely made in this epoch.
    /// A secondary that shows a lower one has lost its disk or was restored.
    std::uint64_t checkpoint = 0;
    /// Secondary: the id of the hidden map that the last checkpoint is kept by;
    /// 0: none yet.  Without that map there is no checkpoint any more.
    std::uint64_t hidden = 0;

    bool has_pair() const { return pair != PairId{}; }
    /// Nothing on this disk is known to be what the primary had.
    bool needs_full() const { return !based && !owes_map; }
    friend bool operator==(const Identity&, const Identity&) = default;
};

constexpr std::size_t identity_bytes = 128;
std::array<std::byte, identity_bytes> encode(const Identity& identity);
/// Throws std::runtime_error, which says what is wrong with the bytes.
Identity decode_identity(std::span<const std::byte> bytes);

/// The file.  Not thread-safe.
class IdentityFile {
public:
    explicit IdentityFile(std::string path) : path_(std::move(path)) {}

    const std::string& path() const { return path_; }
    /// A new Identity if there is no file.  Throws SetupError for one that is
    /// damaged: nothing is guessed about who is the primary.
    Identity load() const;
    /// Replaces it durably.  0 or a positive errno, and then the old one counts.
    int store(const Identity& identity) const;

private:
    std::string path_;
};

}  // namespace resilience::replication
