#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A converted log is the same history: every point of it is the same.
. "${0%/*}/nbdcrash-functions.sh"
. "${0%/*}/logwrites-functions.sh"
log=$tmpdir/disk.logwrites
out=$tmpdir/out

empty_image "$tmpdir/disk.img" 40M
start_logwrites l
requests l 'write -P 0x41 0 4k' 'write -P 0x42 100 1000' flush 'write -z 1M 20M' \
    'write -P 0x44 26M 9M' 'discard 4k 16M' 'write -f -P 0x43 36M 1M' flush > /dev/null
stop_nbdkit l
entries=$(field entries info "$log")

# same_states TEXT: at every flush and at the end.
same_states()
{
    local point
    for point in flush:1 flush:2 end; do
        rm -f "$tmpdir/a" "$tmpdir/b"
        crash replay "$log" "$tmpdir/a" --to "$point" > /dev/null
        crash replay "$out" "$tmpdir/b" --to "$point" --size 40M > /dev/null
        same_content "$tmpdir/a" "$tmpdir/b" "$1: $point is the same"
    done
}

exits 0 "without extensions" crash convert "$log" "$out" --strip-extensions
is "$(field extended info "$out")" 0 "there are none"
is "$(field extension info "$out")" null "not in the superblock either"
is "$(field entries info "$out")" "$entries" "as many entries"
same_states "without extensions"
refuses "an existing log is not replaced" "exists; say --force" crash convert "$log" "$out"

exits 0 "no discard above 8 MiB" crash convert "$log" "$out" --split-discards 8M --force
is "$(crash list "$out" --kind trim --json-lines | wc -l)" 2 "16 MiB are two"
is "$(field extended info "$out")" "$(field entries info "$out")" "all keep their extension"
is "$(crash list "$out" --kind trim --json-lines | grep -c '"first":true')" 1 "one is the first"
same_states "discards split"

exits 0 "no write above 8 MiB" crash convert "$log" "$out" --split-writes 8M --force
exits 0 "checksums are right" crash info "$out" --check-bodies
same_states "writes split"
ok "zeroes are holes" test "$(used "$out")" -lt $((12 << 20))

exits 0 "from 512 to 512" crash convert "$log" "$out" --sector-size 512 --force
ok "is the same log" cmp "$log" "$out"
use_log synthetic/big4k
exits 0 "sectors of 512 instead of 4096" crash convert "$log" "$out" --sector-size 512 --force
is "$(field entries.1.sectors list "$out")" 16 "lengths are in the new unit"
exits 0 "and back" crash convert "$out" "$tmpdir/back" --sector-size 4096
ok "is the same log again" cmp "$log" "$tmpdir/back"
use_log synthetic/syn1
refuses "what does not fit larger sectors" "entry 1 at byte 1024: is not a multiple of 4096" \
    crash convert "$log" "$tmpdir/none" --sector-size 4096
ok "no file is left" test "$(cd "$tmpdir" && echo none*)" = "none*"
refuses "onto itself" "is the log that is read" crash convert "$log" "$log" --force

done_testing
