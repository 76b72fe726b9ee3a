#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# blkverify-sample compares a share of the reads, evenly spread; writes go to
# both sides all the same.
. "${0%/*}/blkverify-functions.sh"

two_images 1M 0x41
reads=()
for ((i = 0; i < 40; i++)); do reads+=(-c "read ${i}k 1k"); done

# judge NAME SHARE COMPARED
judge()
{
    start_blkverify "$1" blkverify-sample="$2"
    watch_events "$1"
    ok "$2: 40 reads" qemu_io "$1" "${reads[@]}"
    is "$(operation read compared)" "$3" "$2: $3 were compared"
    is "$(status not-sampled)" $((40 - $3)) "$2: the others are counted"
    stop_nbdkit "$1"
}
judge all 1 40
judge quarter 0.25 10
judge tenth 10% 4
judge some 0.6 24
judge none 0 0

start_blkverify spread blkverify-sample=25% blkverify-on-mismatch=report
watch_events spread
overwrite "$tmpdir/test.raw" 0x42 0 64K
ok "40 reads that differ" qemu_io spread "${reads[@]}"
is "$(mismatches)" 10 "a quarter of them is found"
ok "a write" qemu_io spread -c 'write -P 0x43 0 128k'
stop_nbdkit spread

start_blkverify writes blkverify-sample=0
ok "a write that nobody reads" qemu_io writes -c 'write -P 0x44 0 64k'
stop_nbdkit writes
ok "is on the reference" holds "$tmpdir/raw.raw" 0x44 0 64K
done_testing
