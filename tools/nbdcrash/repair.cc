// SPDX-License-Identifier: BSD-3-Clause

// repair: makes a superblock's count right again.
//
// Only the superblock is ever written, and what stood there before is printed.
// The danger is not to find too little but too much: whatever is taken for an
// entry becomes part of the device's history.  So entries are taken by
// themselves only if checksums prove that they are of this recording (see
// common/replay/log_walk.h).  Plain ones, which may be the rest of an older log in the same
// file, are taken if the user says so (--plain), who may know that the file
// was new; or if the superblock is all zeroes, because then there was no older
// log.
//
// A count that is too high (the superblock reached the disk and the entries
// did not) is lowered to what is there.

#include "tools/nbdcrash/commands.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "common/control/json.h"
#include "common/core/compare.h"
#include "common/core/unique_fd.h"
#include "common/file/file_lock.h"
#include "common/replay/log_index.h"
#include "tools/nbdcrash/output.h"

namespace resilience::nbdcrash {

namespace {

using namespace writelog;

struct RepairOptions : LogOptions {
    std::uint64_t sector_size = 0;
    std::uint64_t device_size = 0;
    bool plain = false;
    bool dry_run = false;
};

/// The superblock as it was found.
struct Found {
    HeaderBytes bytes{};
    std::size_t size = 0;  ///< bytes that the file has of it
    bool all_zero = false;
    bool is_one = false;   ///< magic and version are right
    bool usable = false;
    std::string state;     ///< "good", "all zeroes", "damaged", in words
    Superblock super;      ///< if usable; else what is known of it
};

[[noreturn]] void fail(const RepairOptions& options, const std::string& text)
{
    throw ToolError(fmt::format("{}: {}", options.log, text));
}

/// The sector size with which the first entry is surely one of ours; 0 if none.
std::uint32_t guess_sector_size(const RepairOptions& options)
{
    for (std::uint32_t size = smallest_sector; size <= largest_sector; size *= 2) {
        Superblock super;
        super.sector_size = size;
        const LogFile log(options.log, super);
        if (log.size() >= 2 * std::uint64_t{size} && log.entry_at(size).extension) {
            return size;
        }
    }
    return 0;
}

/// Makes up a superblock for one that cannot be used.
void assume(Found& found, const RepairOptions& options)
{
    const std::uint32_t guess = guess_sector_size(options);
    if (!found.all_zero && !found.is_one && guess == 0) {
        fail(options, "there is no superblock at byte 0 and no entry of ours behind it: this is "
                      "no log");
    }
    if (options.sector_size == 0 && guess == 0) {
        fail(options, fmt::format("the superblock is {}, so the size of a sector is not known; "
                                  "say --sector-size (QEMU's default is 512)",
                                  found.state));
    }
    Superblock super;
    super.sector_size = options.sector_size != 0 ? static_cast<std::uint32_t>(options.sector_size)
                                                 : guess;
    found.super = super;
}

Found read_superblock(const RepairOptions& options)
{
    Found found;
    const LogFile raw(options.log, Superblock());
    found.size = std::min<std::uint64_t>(raw.size(), found.bytes.size());
    const auto bytes = std::span(found.bytes).first(found.size);
    raw.read(0, bytes);
    found.all_zero = is_all_zero(bytes);
    const auto super = decode_superblock(bytes);
    if (super) {
        found.super = *super;
        if (super->version != log_version) {
            fail(options, fmt::format("log version {} is not known, only {}", super->version,
                                      log_version));
        }
    }
    found.is_one = super.has_value();
    found.usable = super && !super->damaged &&
                   is_sector_size(super->sector_size, smallest_readable_sector);
    found.state = found.usable ? "good" : found.all_zero ? "all zeroes" : "damaged";
    if (found.usable && options.sector_size != 0 &&
        options.sector_size != found.super.sector_size) {
        fail(options, fmt::format("--sector-size={}: the superblock says {}, and is good",
                                  options.sector_size, found.super.sector_size));
    }
    if (!found.usable) {
        assume(found, options);
    }
    return found;
}

/// What was found, and what it comes to.
struct Plan {
    Superblock super;  ///< the new one
    std::optional<Damage> damage;
    Tail tail;
    std::uint64_t counted = 0;
    std::uint64_t left = 0;  ///< plausible entries that are not taken
    bool junk_behind = false;  ///< there are bytes other than zero behind the tail
};

Plan make_plan(const Found& found, const RepairOptions& options)
{
    Plan plan;
    plan.super = found.super;
    plan.counted = found.usable ? found.super.entries : 0;
    plan.super.entries = plan.counted;
    const LogFile log(options.log, plan.super);
    const LogIndex index = LogIndex::scan(log);
    plan.damage = index.damage();
    plan.super.entries = index.size();
    if (!plan.damage) {
        plan.tail = scan_tail(log, index.end(log));
        plan.junk_behind = !is_zero_from(log, plan.tail.end);
        const bool take = options.plain || found.all_zero;
        plan.super.entries += plan.tail.sure + (take ? plan.tail.plausible : 0);
        plan.left = take ? 0 : plan.tail.plausible;
    }
    if (!found.usable && options.device_size != 0 && plan.tail.log_id) {
        plan.super.extension =
            SuperExtension{options.device_size, 0, *plan.tail.log_id, "nbdcrash"};
    }
    return plan;
}

std::string hex(std::span<const std::byte> bytes)
{
    while (!bytes.empty() && bytes.back() == std::byte{0}) {
        bytes = bytes.first(bytes.size() - 1);
    }
    std::string text;
    for (const std::byte each : bytes) {
        text += fmt::format("{:02x}", static_cast<unsigned>(each));
    }
    return text;
}

void write_superblock(const RepairOptions& options, const Superblock& super)
{
    const UniqueFd fd(::open(options.log.c_str(), O_RDWR | O_CLOEXEC));
    if (!fd) {
        fail(options, fmt::format("cannot be opened for writing: {}", std::strerror(errno)));
    }
    lock_file(options.log, fd.get(), true);  // nobody records into it now
    HeaderBytes bytes;
    encode(super, bytes);
    const std::size_t size = std::min<std::size_t>(super.sector_size, bytes.size());
    const ssize_t n = ::pwrite(fd.get(), bytes.data(), size, 0);
    if (n != static_cast<ssize_t>(size) || ::fsync(fd.get()) == -1) {
        fail(options, fmt::format("the superblock cannot be written: {}", std::strerror(errno)));
    }
}

Json tail_json(const Plan& plan)
{
    if (plan.damage) {
        return nullptr;
    }
    return {{"sure-entries", plan.tail.sure},
            {"plausible-entries", plan.tail.plausible},
            {"left-entries", plan.left},
            {"ended", plan.tail.reason},
            {"junk-behind", plan.junk_behind}};
}

void explain(const RepairOptions& options, const Plan& plan)
{
    if (plan.left != 0) {
        report("{}: {} entries from byte {} on may be of this recording or of an older one in the "
               "same file; nothing tells. If the file was new, say --plain",
               options.log, plan.left, plan.tail.end_of_sure);
    }
    if (options.plain && plan.tail.plausible != 0 && plan.junk_behind) {
        report("{}: what follows the last entry taken, at byte {}, is not zero: the file may have "
               "held an older log",
               options.log, plan.tail.end);
    }
}

Exit repair(const RepairOptions& options)
{
    const Found found = read_superblock(options);
    const Plan plan = make_plan(found, options);
    const bool change = !found.usable || plan.super.entries != plan.counted;
    if (!found.usable && plan.super.entries == 0) {
        fail(options, plan.left != 0
                          ? fmt::format("{} entries may be of this recording or of an older one "
                                        "in the same file; nothing tells. If the file was new, say "
                                        "--plain",
                                        plan.left)
                          : fmt::format("no entry was found: {}",
                                        plan.damage ? plan.damage->text : plan.tail.reason));
    }
    if (change && !options.dry_run) {
        write_superblock(options, plan.super);
    }
    Json document = {
        {"log", options.log},
        {"superblock", found.state},
        {"sector-bytes", plan.super.sector_size},
        {"counted-entries", plan.counted},
        {"entries", plan.super.entries},
        {"tail", tail_json(plan)},
        {"damage", plan.damage ? Json{{"entry", plan.damage->entry},
                                      {"position", plan.damage->position},
                                      {"text", plan.damage->text}}
                               : Json(nullptr)},
        {"changed", change && !options.dry_run},
        {"dry-run", options.dry_run},
        {"replaced-superblock",
         change ? Json(hex(std::span(found.bytes).first(found.size))) : Json(nullptr)}};
    print(document, options.json);
    explain(options, plan);
    return plan.left != 0 || (change && options.dry_run) ? Exit::found : Exit::ok;
}

}  // namespace

void add_repair(CLI::App& app, Run& run)
{
    const auto options = std::make_shared<RepairOptions>();
    CLI::App* command =
        app.add_subcommand("repair", "Make the count of entries right, after a crash");
    add_log_options(*command, *options);
    command->add_flag("--dry-run", options->dry_run, "Say what would be done, and change nothing");
    command->add_flag("--plain", options->plain,
                      "Also take entries that look right but may be of an older log");
    add_size_option(*command, "--sector-size", options->sector_size,
                    "Where the superblock does not tell");
    add_size_option(*command, "--device-size", options->device_size,
                    "How large the device was, for a superblock that has to be made anew");
    command->callback([options, &run] {
        if (options->sector_size != 0 &&
            !is_sector_size(options->sector_size, smallest_readable_sector)) {
            throw ToolError(fmt::format("--sector-size={}: must be a power of two from {} to {}",
                                        options->sector_size, smallest_readable_sector,
                                        largest_sector));
        }
        run = [options] { return repair(*options); };
    });
}

}  // namespace resilience::nbdcrash
