#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A write that the reference carries out long after it was given up does not look
# like a fault of the device under test.
. "${0%/*}/blkverify-functions.sh"

two_images 1M
serve_image raw "$tmpdir/raw.raw"
start_blkverify v blkverify-raw="$(uri_of raw)" blkverify-on-mismatch=report blkverify-timeout=500ms
watch_events v
for round in 1 2 3; do
    freeze "$(pid_of raw)"
    ok "round $round: a write that is given up, and a newer one" \
        qemu_io v -c "write -P 0x4$round 0 64k" -c "write -P 0x5$round 0 64k"
    thaw "$(pid_of raw)"
    reference_is present "round $round: it comes back"
    ok "round $round: what both were written last" qemu_io v -c "write -P 0x6$round 4k 8k" \
        -c "read -P 0x6$round 4k 8k" -c "read -P 0x5$round 32k 4k"
done
is "$(mismatches)" 0 "no false alarm"
done_testing
