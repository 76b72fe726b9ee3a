// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <string>

namespace resilience::nbdcrash {

/// When --fsck is run.
enum class Check : std::uint8_t { never, number, flush, fua, discard };

/// The command line of replay-log.
struct ReplayLogOptions {
    std::string log;
    std::string replay;       ///< empty: nothing is replayed
    std::string fsck;
    std::string start_mark;
    std::string end_mark;
    bool has_start_mark = false;
    bool has_end_mark = false;
    bool next_flush = false;
    bool next_fua = false;
    bool find = false;
    bool num_entries = false;
    bool no_discard = false;
    bool help = false;
    bool no_index = false;
    int verbose = 0;
    std::uint64_t start_entry = 0;
    std::uint64_t limit = 0;  ///< entries; 0: no limit
    std::uint64_t start_sector = 0;
    std::uint64_t end_sector = ~std::uint64_t{0};
    Check check = Check::never;
    std::uint64_t check_number = 0;
};

/// Takes the command line apart, as getopt_long does.  Throws ToolError; an
/// empty text means that getopt_long has said what is wrong.
ReplayLogOptions parse_replay_log(int argc, char** argv);

/// The summary of the options.
extern const char* const replay_log_usage;

}  // namespace resilience::nbdcrash
