#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# repair of plain logs: entries behind the count are taken only if the user says
# that the file was new; what was replaced is printed.
. "${0%/*}/nbdcrash-functions.sh"

use_log qemu/h02
before=$(sha "$log")
exits 1 "plausible entries are left" crash repair "$log"
like "$(cat "$tmpdir/.ok.log")" "2 entries from byte 2048 on may be .* say --plain" "and named"
is "$(sha "$log")" "$before" "nothing is written"
exits 1 "a dry run says that there is something to do" crash repair "$log" --plain --dry-run
is "$(sha "$log")" "$before" "and does not do it"
is "$(field replaced-superblock repair "$log" --plain)" \
    7268737766736a00010000000000000002000000000000000002 "with --plain, the old superblock"
is "$(field entries info "$log")" 4 "the entries count now"
exits 0 "there is no more to do" crash repair "$log"
is "$(sha <(tail -c +513 "$log"))" "$(sha <(tail -c +513 "$samples/qemu/h02.log"))" \
    "no byte behind the superblock is changed"

use_log qemu/h05
exits 0 "one entry beyond" crash repair "$log" --plain
is "$(field end-position info "$log")" 5632 "up to the end of the file"

# Killed before a superblock was written.
use_log qemu/h01
refuses "a superblock of zeroes" "say --sector-size" crash repair "$log"
refuses "a wrong sector size finds nothing" "no entry was found: byte 1024" \
    crash repair "$log" --sector-size 1024
exits 0 "with the right one" crash repair "$log" --sector-size 512
is "$(field entries info "$log")" 1 "the entry is there"
exits 0 "and can be replayed" crash replay "$log" "$tmpdir/image" --size 1M

# A count that is too high.
use_log malformed/bad_nr
exits 0 "entries that are not there" crash repair "$log"
is "$(field entries info "$log")" 1 "are no longer counted"
use_log malformed/bad_trunc
is "$(field damage.entry repair "$log")" 1 "an entry that is not whole"
exits 0 "the log is good without it" crash info "$log"

# A superblock of which only the sector size cannot be.
use_log malformed/ss0
refuses "sectors of 0 bytes" "superblock is damaged.* say --sector-size" crash repair "$log"
use_log qemu/h02
printf '\0\0' | dd of="$log" bs=1 seek=24 conv=notrunc status=none
refuses "plain entries behind it are named" "4 entries may be of .* say --plain" \
    crash repair "$log" --sector-size 512
exits 0 "and taken with --plain" crash repair "$log" --sector-size 512 --plain
is "$(field entries info "$log")" 4 "all of them"

# No logs.
random_image "$tmpdir/random" 8K 1
before=$(sha "$tmpdir/random")
refuses "something else than a log" "this is no log" crash repair "$tmpdir/random" --sector-size 512
is "$(sha "$tmpdir/random")" "$before" "and it stays what it is"
refuses "a version of the future" "version 2 is not known" crash repair "$samples/malformed/v2.log"
empty_image "$tmpdir/zero" 8K
refuses "nothing but zeroes" "no entry was found" crash repair "$tmpdir/zero" --sector-size 512
refuses "another sector size than a good superblock says" "the superblock says 512" \
    crash repair "$samples/qemu/h02.log" --sector-size 4096

done_testing
