#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Two replicas that are empty outvote the one that has the data.  That is reported, with
# words of its own, and never repaired by itself: rewriting would take the last copy.
. "${0%/*}/quorum-functions.sh"

for pattern in quorum fastest; do
    three_images 1M 0
    pattern_image "$tmpdir/3.raw" 1M 0x41
    overwrite "$tmpdir/1.raw" 0x45 512K 64K
    overwrite "$tmpdir/2.raw" 0x45 512K 64K
    start_quorum "$pattern" "$tmpdir"/{1,2,3}.raw quorum-rewrite-corrupted=true \
        quorum-read-pattern=$pattern
    watch_events "$pattern"
    ok "$pattern: the majority is read" qemu_io "$pattern" -c 'read -P 0 0 64k'
    ok "$pattern: where it has data" qemu_io "$pattern" -c 'read -P 0x45 512k 64k'
    ok "$pattern: that is healed" wait_for 10 holds "$tmpdir/3.raw" 0x45 512K 64K
    ok "$pattern: data are not overwritten with zeroes" holds "$tmpdir/3.raw" 0x41 0 512K
    is "$(child_value children.2 counters/zeroes-against-data)" 128 "$pattern: it is counted"
    is "$(child_value children.0 counters/zeroes-against-data)" 0 "$pattern: of nobody else"
    like "$(grep 'lost the vote' "$tmpdir/$pattern.log")" \
        "128 sectors differ; in 128 of them the others have zeroes and it has data: that is never repaired by itself" \
        "$pattern: the log says why"
    overwrite "$tmpdir/1.raw" 0 512K 4K
    ok "$pattern: zeroes that have lost" qemu_io "$pattern" -c 'read -P 0x45 512k 4k'
    ok "$pattern: are healed" wait_for 10 holds "$tmpdir/1.raw" 0x45 512K 64K
    stop_nbdkit "$pattern"
done
done_testing
