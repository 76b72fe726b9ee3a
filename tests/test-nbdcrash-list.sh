#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# list, marks, epochs and stats show the same log, whole or in part.
. "${0%/*}/nbdcrash-functions.sh"
use_log synthetic/syn1

# numbers ARGUMENT...: of the entries that are listed.
numbers()
{
    crash list "$log" --json-lines "$@" | perl -MJSON::PP -ne 'print decode_json($_)->{entry}, " "'
}
is "$(numbers)" "0 1 2 3 4 5 6 7 8 9 10 " "all"
is "$(numbers --from flush:1 --to mark:m1)" "4 5 " "between two points"
is "$(numbers --kind flush)" "3 5 8 " "flushes, also with data"
is "$(numbers --kind fua)" "2 5 " "FUA"
is "$(numbers --kind mark)" "0 6 9 10 " "marks"
is "$(numbers --kind trim,metadata)" "4 5 " "two kinds"
is "$(numbers --kind write)" "1 2 5 7 " "writes"
is "$(numbers --range 1k+512)" "7 " "what touches a range"
is "$(numbers --range 1023+2)" "1 7 " "a range that begins in one and ends in another"
is "$(numbers --range 24576+1)" "" "behind everything"
is "$(field entries list "$log")" 11 "as one document"
is "$(field entries.10.mark list "$log")" dm-log-writes-end "a mark's name"
is "$(field entries.5.flags-text list "$log")" 'FLUSH|FUA|METADATA' "flags in words"
like "$(crash list "$log")" "4 +4096  trim +DISCARD +8192\+16384 \(16 KiB\)" \
    "for people"

is "$(field marks.1.point marks "$log")" mark:m1 "a mark as a point"
is "$(field marks.2.volatile-entries marks "$log")" 0 "what is not durable at a mark"
is "$(field epochs epochs "$log")" 4 "epochs"
is "$(field epochs.2.ended-by epochs "$log")" flush:3 "the flush that ends one"
is "$(field epochs.0.writes epochs "$log")" 2 "the writes of one"

use_log fs/ext4-8m-barrier
is "$(field changed-bytes stats "$log")" 8847360 "bytes that were changed"
is "$(field touched-bytes stats "$log")" 8388608 "bytes of the device that were touched"
is "$(field unflushed-at-end.entries stats "$log")" 0 "nothing was unflushed at the end"
is "$(field epochs.writes.largest stats "$log")" 19 "the largest epoch"
use_log qemu/h05
is "$(field unflushed-at-end.bytes stats "$log")" 2048 "or 2 KiB were"

# Two marks of one name; a name that would do things to a terminal.
use_log synthetic/syn1
patch_file "$log" $((5632 + 32)) 1b5b
is "$(field marks.1.name marks "$log")" $'\e[' "JSON has the name as it is"
like "$(crash marks "$log")" 'mark:\\x1b\[' "a terminal is not told"
patch_file "$log" 512 "$(head -c 8192 "$log" | tail -c 512 | xxd -p | tr -d '\n')"
is "$(field marks.2.point marks "$log")" 'mark:m10#2' "the second mark of that name"

# A long name is shown once, and makes no other line longer.
rm -f "$log"
long=$(printf 'x%.0s' {1..300})
perl "$abs_top_srcdir/tests/make-log.pl" "$log" mark:short write:0:1:65 "mark:$long" flush
is "$(crash marks "$log" | grep -o -c "$long")" 1 "a long mark is shown"
ok "once" test "$(crash marks "$log" | wc -L)" -lt 380
like "$(crash marks "$log" | grep short)" '^ +0 +0 +0 +- +mark:short$' "and a short one has a short line"

done_testing
