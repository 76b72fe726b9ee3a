#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# test-blkverify-overlapping.sh would notice if overlapping requests were not kept
# apart: a filter that was built with a lock that locks nothing raises false
# alarms.
. "${0%/*}/blkverify-functions.sh"

blkverify_filter=$abs_top_builddir/tests/modules/.libs/nbdkit-unlocked-filter.so

# A race: usually the first round shows it.
found=0
for ((round = 1; round <= 10 && found == 0; round++)); do
    two_images 1M
    start_qemu_nbd raw -f raw "$tmpdir/raw.raw"
    start_blkverify v blkverify-raw="$(uri_of raw)" blkverify-on-mismatch=report
    watch_events v
    stress v --requests=4000 --allow-errors --largest=16k --size=256k > "$tmpdir/.out" 2>&1
    found=$(mismatches)
    stop_nbdkit v
    end_process "$(pid_of raw)"
    SEED=$((SEED + 1))
done
diag "after $((round - 1)) rounds"
isnt "$found" 0 "without the lock there are false alarms"
done_testing
