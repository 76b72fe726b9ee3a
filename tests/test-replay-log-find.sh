#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# replay-log --find prints ENTRY@SECTOR, as the old tool does.
. "${0%/*}/nbdcrash-functions.sh"
use_log synthetic/syn1

# find ARGUMENT...: the output, then the exit status.
find_entry() { replay_log --log "$log" --find "$@" 2>&1; echo "$?"; }
is "$(find_entry --next-flush)" $'3@8\n0' "the next flush"
is "$(find_entry --next-fua)" $'2@7\n0' "the next FUA"
is "$(find_entry --next-fua --next-flush --start-entry 3)" $'3@8\n0' "either of them"
is "$(find_entry --next-fua --start-entry 3)" $'5@11\n0' "from an entry on"
is "$(find_entry --end-mark m10)" $'9@16\n0' "a mark"
is "$(find_entry --end-mark m1)" $'6@12\n0' "a mark whose name others begin with"
is "$(find_entry --end-mark m1 --next-flush)" $'6@12\n0' "with a mark, flushes do not count"
is "$(find_entry --start-mark m1 --next-flush)" $'8@15\n0' "behind a mark"
is "$(find_entry --start-mark m1 --start-entry 0 --next-flush)" $'8@15\n0' \
    "which is stronger than an entry"
is "$(find_entry --limit 4)" $'3@8\n0' "the fourth entry"
is "$(find_entry --limit 4 --start-entry 2)" $'5@11\n0' "counted from the start"
is "$(find_entry --limit 0x4)" $'3@8\n0' "in hexadecimal"
is "$(find_entry --end-mark m2)" $'Couldn\'t find entry\n1' "an unknown mark"
is "$(find_entry --start-mark m2)" $'Couldn\'t find starting mark\n1' "an unknown mark to start at"
is "$(find_entry --next-flush --start-entry 9)" $'Couldn\'t find entry\n1' "no more flushes"
is "$(find_entry --start-entry 11)" $'Invalid entry number\n1' "an entry that is not there"
is "$(find_entry)" $'Couldn\'t find entry\n1' "nothing to look for"
is "$(find_entry -vv --limit 1)" $'seek entry 0@2: 0, size 0, flags 0x8(MARK)\n0@2\n0' "-vv"

use_log malformed/bad_pad
like "$(find_entry --limit 1)" '^Malformed entry @1 .*255$' "a malformed entry"
use_log malformed/bad_nr
like "$(find_entry --limit 9)" 'entry 1 at byte 1536: .*255$' "a log that is cut short"

done_testing
