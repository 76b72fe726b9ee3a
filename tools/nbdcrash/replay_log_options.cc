// SPDX-License-Identifier: BSD-3-Clause
#include "tools/nbdcrash/replay_log_options.h"

#include <getopt.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>

#include "tools/nbdcrash/tool_error.h"

namespace resilience::nbdcrash {

namespace {

// Scripts abbreviate, and getopt_long takes the first of several options that
// begin alike if they have the same kind of argument.  So the order of the old
// tool's table is a part of its command line: --start is --start-entry, --end
// is --end-mark.
enum OptionIndex {
    next_flush,
    next_fua,
    start_entry,
    end_mark,
    log_file,
    replay_file,
    limit,
    verbose,
    find,
    num_entries,
    no_discard,
    fsck,
    check,
    start_mark,
    start_sector,
    end_sector,
    number_entries,  // what the old tool's summary calls --num-entries
    help,
    no_index,  // ours; behind all others, so that it shortens none of them
};

constexpr option table[] = {
    {"next-flush", no_argument, nullptr, 0},
    {"next-fua", no_argument, nullptr, 0},
    {"start-entry", required_argument, nullptr, 0},
    {"end-mark", required_argument, nullptr, 0},
    {"log", required_argument, nullptr, 0},
    {"replay", required_argument, nullptr, 0},
    {"limit", required_argument, nullptr, 0},
    {"verbose", no_argument, nullptr, 'v'},
    {"find", no_argument, nullptr, 0},
    {"num-entries", no_argument, nullptr, 0},
    {"no-discard", no_argument, nullptr, 0},
    {"fsck", required_argument, nullptr, 0},
    {"check", required_argument, nullptr, 0},
    {"start-mark", required_argument, nullptr, 0},
    {"start-sector", required_argument, nullptr, 0},
    {"end-sector", required_argument, nullptr, 0},
    {"number-entries", no_argument, nullptr, 0},
    {"help", no_argument, nullptr, 0},
    {"no-index", no_argument, nullptr, 0},
    {nullptr, 0, nullptr, 0},
};

/// A number as C writes it: decimal, 0x..., or 0... for octal.
std::uint64_t number(const char* text, const char* what)
{
    char* end = nullptr;
    errno = 0;
    const std::uint64_t value = std::strtoull(text, &end, 0);
    if (*text == '\0' || *end != '\0' || errno != 0 || std::strpbrk(text, "+- \t\n") != nullptr) {
        throw ToolError(fmt::format("Invalid {} number '{}'", what, text));
    }
    return value;
}

void set_check(ReplayLogOptions& options, const std::string& value)
{
    if (value == "flush") {
        options.check = Check::flush;
    } else if (value == "fua") {
        options.check = Check::fua;
    } else if (value == "discard") {
        options.check = Check::discard;
    } else {
        options.check = Check::number;
        options.check_number = number(value.c_str(), "entry");
        if (options.check_number == 0) {
            throw ToolError("Invalid entry number '0': --check counts from 1");
        }
    }
}

void set(ReplayLogOptions& options, int which)
{
    switch (which) {
    case next_flush: options.next_flush = true; break;
    case next_fua: options.next_fua = true; break;
    case start_entry: options.start_entry = number(optarg, "entry"); break;
    case end_mark:
        options.end_mark = optarg;
        options.has_end_mark = true;
        break;
    case log_file: options.log = optarg; break;
    case replay_file: options.replay = optarg; break;
    case limit: options.limit = number(optarg, "entry"); break;
    case find: options.find = true; break;
    case num_entries:
    case number_entries: options.num_entries = true; break;
    case no_discard: options.no_discard = true; break;
    case fsck: options.fsck = optarg; break;
    case check: set_check(options, optarg); break;
    case start_mark:
        options.start_mark = optarg;
        options.has_start_mark = true;
        break;
    case start_sector: options.start_sector = number(optarg, "sector"); break;
    case end_sector: options.end_sector = number(optarg, "sector"); break;
    case help: options.help = true; break;
    case no_index: options.no_index = true; break;
    default: throw ToolError("");
    }
}

}  // namespace

const char* const replay_log_usage =
    "Usage: replay-log --log FILE [OPTION...]\n"
    "  --replay DEVICE           apply entries to DEVICE\n"
    "  --limit N                 stop after N entries\n"
    "  --next-flush              stop after the next flush\n"
    "  --next-fua                stop after the next FUA entry\n"
    "  --start-entry N           begin with entry N\n"
    "  --start-mark MARK         begin behind MARK\n"
    "  --end-mark MARK           stop after MARK\n"
    "  --find                    print the entry at which one would stop, ENTRY@SECTOR\n"
    "  --num-entries             print how many entries there are\n"
    "  --no-discard              ignore discards\n"
    "  --fsck COMMAND            check with COMMAND, see --check\n"
    "  --check N|flush|fua|discard\n"
    "                            run --fsck after every N-th entry, or after each such one\n"
    "  --start-sector SECTOR     only entries that touch SECTOR or a later one\n"
    "  --end-sector SECTOR       only entries that touch SECTOR or an earlier one\n"
    "  --no-index                do not read or write the index beside the log\n"
    "  -v, --verbose             print what is replayed; -vv: and what is skipped\n"
    "This is nbdcrash; see nbdcrash(1).\n";

ReplayLogOptions parse_replay_log(int argc, char** argv)
{
    ReplayLogOptions options;
    int which = 0;
    for (;;) {
        const int c = ::getopt_long(argc, argv, "v", table, &which);
        if (c == -1) {
            break;
        }
        if (c == 'v') {
            options.verbose++;
        } else if (c == '?') {
            throw ToolError("");
        } else {
            set(options, which);
        }
    }
    if (options.help) {
        return options;
    }
    if (optind < argc) {
        throw ToolError(fmt::format("'{}' is no option", argv[optind]));
    }
    if (options.log.empty()) {
        throw ToolError("--log is missing");
    }
    if (options.fsck.empty() != (options.check == Check::never)) {
        throw ToolError("--fsck and --check go together");
    }
    return options;
}

}  // namespace resilience::nbdcrash
