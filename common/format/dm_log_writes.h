// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// The log format of Linux's dm-log-writes, version 1, and what we add to it.
//
//   log sector 0      the superblock
//   log sector 1..    entries, back to back: a header of one log sector, then
//                     the body, `sectors` log sectors long
//
// All integers are little-endian; the unit of everything is the log sector of
// `sector_size` bytes, never 512.  There is no index, no back pointer and no
// end mark: only the superblock's count says where the log ends, and bytes
// beyond it mean nothing.  A DISCARD and a MARK have no body.
//
// The format has no room for what a crash tester wants to know (in which order
// requests were issued, when, by whom, whether the bytes are whole), but its
// readers leave some bytes alone: bytes 32.. of the superblock, and of an
// entry's header bytes 40.. (bytes 32..39 must be zero, or the reader of
// xfstests takes the entry for a broken one), for a mark those behind the
// text.  Our extensions are there, and old readers never see them.
//
// docs/formats/dm-log-writes.md has the tables and a log byte by byte.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

struct XXH3_state_s;  // of xxhash.h

namespace resilience::writelog {

/// "rhswfsj\0" in the byte order of the disk.
constexpr std::uint64_t log_magic = 0x006a736677736872;
constexpr std::uint64_t log_version = 1;

/// Sizes of a log sector in bytes; powers of two.  QEMU's logs may have any of
/// them, so readers take all; a writer stays at 512 and above, because that is
/// what the extensions and the texts of marks fit into.
constexpr std::uint32_t smallest_readable_sector = 32;
constexpr std::uint32_t smallest_sector = 512;
constexpr std::uint32_t largest_sector = 8 << 20;

/// The bits of an entry's flags.
enum EntryFlag : std::uint64_t {
    flag_flush = 1,     ///< everything before this entry is on the medium
    flag_fua = 2,       ///< this entry is on the medium
    flag_discard = 4,   ///< no body; the range has no content any more
    flag_mark = 8,      ///< no body; a text of the user's
    flag_metadata = 16, ///< the kernel's: the file system called it metadata
};
constexpr std::uint64_t known_flags = 31;

/// The part of a log sector that has a meaning; the rest is zero.
constexpr std::size_t header_bytes = 512;
using HeaderBytes = std::array<std::byte, header_bytes>;

/// The largest body that every reader can take: replay-log reads a body with
/// one read(2), which ends at 2 GiB - 4096 bytes, into one malloc.
constexpr std::uint64_t largest_body = 1 << 30;
/// The largest discard that replay-log carries out on a regular file.
constexpr std::uint64_t largest_discard = 128 << 20;

/// What a mark's text may be at most, in bytes, so that a NUL follows it even
/// in the smallest sector.
constexpr std::size_t largest_mark = header_bytes - 33;

/// Ours, in the superblock's free bytes.
struct SuperExtension {
    std::uint64_t device_size = 0;    ///< bytes
    std::uint64_t started_ns = 0;     ///< since 1970, of the first recording
    std::uint32_t log_id = 0;         ///< random; every entry of this log repeats it
    std::string tool;                 ///< who wrote it: at most 15 bytes

    friend bool operator==(const SuperExtension&, const SuperExtension&) = default;
};

struct Superblock {
    std::uint64_t version = log_version;
    std::uint64_t entries = 0;                  ///< how many are valid
    std::uint32_t sector_size = smallest_sector;  ///< bytes
    std::optional<SuperExtension> extension = {};  ///< absent, or damaged
    bool damaged = false;  ///< decoded: there is an extension, and its checksum does not match

    friend bool operator==(const Superblock&, const Superblock&) = default;
};

/// What a client asked for.  Not the same as an entry: a zero is logged as a
/// write, a large one becomes several, an unaligned one is logged in whole
/// sectors.
enum class Kind : std::uint8_t {
    unknown = 0,    ///< an entry without extension
    write = 1,
    zero = 2,       ///< the body is zeroes, mostly holes of the log file
    zero_unmap = 3, ///< the same; the device was allowed to unmap the range
    trim = 4,
    flush = 5,
    mark = 6,
};

/// "write", "zero", "zero-unmap", "trim", "flush", "mark", "unknown".
std::string_view to_string(Kind kind);

/// Ours, in a header's free bytes.
///
/// `issued` and `completed` are drawn from one counter, each number once, so
/// that they order all events of a log: a request had ended before another one
/// began exactly if its `completed` is the smaller number.
struct EntryExtension {
    Kind kind = Kind::unknown;
    bool fua = false;                ///< the client asked for FUA
    bool first = true;               ///< the first entry of its request
    bool last = true;                ///< the last one
    std::uint64_t issued = 0;        ///< sequence number, from 1
    std::uint64_t completed = 0;     ///< sequence number, from 1; > issued
    std::uint64_t issued_ns = 0;     ///< since 1970
    std::uint64_t completed_ns = 0;  ///< since 1970
    std::uint64_t offset = 0;        ///< bytes: the range that this entry changed, which
    std::uint64_t length = 0;        ///<   lies inside its whole sectors
    std::uint32_t connection = 0;    ///< 1, 2, ... in the order of connecting; 0: none
    std::uint32_t log_id = 0;        ///< see SuperExtension
    std::uint64_t body_hash = 0;     ///< hash_body() of the body; 0 where it is not read:
                                     ///<   zero, zero_unmap, trim, flush, mark

    friend bool operator==(const EntryExtension&, const EntryExtension&) = default;
};

struct Entry {
    std::uint64_t sector = 0;      ///< where it starts on the device
    std::uint64_t sectors = 0;     ///< how long it is
    std::uint64_t flags = 0;       ///< EntryFlag
    std::uint64_t data_length = 0; ///< bytes of a mark's text; else 0
    std::string mark = {};         ///< the text, if it is a mark
    bool dirty_padding = false;    ///< decoded: bytes 32..39 of a non-mark are not zero
    std::optional<EntryExtension> extension = {};  ///< absent, or damaged
    bool damaged = false;  ///< decoded: there is an extension, and its checksum does not match

    bool is_mark() const { return (flags & flag_mark) != 0; }
    bool is_flush() const { return (flags & flag_flush) != 0; }
    bool is_fua() const { return (flags & flag_fua) != 0; }
    bool is_discard() const { return (flags & flag_discard) != 0; }
    bool has_body() const { return !is_discard() && sectors != 0; }
    /// How many log sectors the entry takes up, header included.  May overflow
    /// for a damaged entry: check `sectors` first.
    std::uint64_t log_sectors() const { return 1 + (is_discard() ? 0 : sectors); }

    friend bool operator==(const Entry&, const Entry&) = default;
};

/// Whether `size` can be a log's sector size.
bool is_sector_size(std::uint64_t size, std::uint32_t smallest);

/// Encodes a superblock; `out` is the first header_bytes of log sector 0.
void encode(const Superblock& super, HeaderBytes& out);

/// Decodes the first bytes of a log (fewer than header_bytes: the rest is
/// absent).  nullopt if the magic is wrong or it is too short to have one;
/// version and sector size are for the caller to check.
std::optional<Superblock> decode_superblock(std::span<const std::byte> bytes);

/// Encodes a header; `out` is the first header_bytes of its log sector.  A
/// mark's text is at most largest_mark bytes; if it leaves no room for the
/// extension, that is left out.
void encode(const Entry& entry, HeaderBytes& out);

/// Whether a mark of this length can have an extension.
bool has_room_for_extension(std::size_t mark_length);

/// Decodes a header, of which at least smallest_readable_sector bytes must be
/// there.  Never fails: whatever stands there is taken as it is, and judged by
/// the caller.  A mark longer than `bytes` is cut.
Entry decode_entry(std::span<const std::byte> bytes);

/// XXH3, 64 bits, and never 0.
std::uint64_t hash_body(std::span<const std::byte> body);

/// The same for a body in two pieces or more.
class BodyHash {
public:
    BodyHash();
    void add(std::span<const std::byte> piece);
    std::uint64_t value() const;

private:
    struct Free {
        void operator()(XXH3_state_s* state) const;
    };
    std::unique_ptr<XXH3_state_s, Free> state_;
};

}  // namespace resilience::writelog
