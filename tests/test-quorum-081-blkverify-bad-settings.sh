#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU 081, blkverify mode, bad settings: it needs exactly two children and the
# threshold 2, and does not go with rewrite-corrupted.
. "${0%/*}/quorum-functions.sh"

three_images 1M
rule='blkverify=on can only be set if there are exactly two files and vote-threshold is 2'
refuses_to_start "three children" "$rule" "$tmpdir"/{1,2,3}.raw quorum-threshold=2 \
    quorum-blkverify=true
refuses_to_start "one child" "$rule" "$tmpdir/1.raw" quorum-blkverify=true
refuses_to_start "threshold 1" "$rule" "$tmpdir"/{1,2}.raw quorum-threshold=1 quorum-blkverify=true
refuses_to_start "rewrite-corrupted" 'rewrite-corrupted=on cannot be used with blkverify=on' \
    "$tmpdir"/{1,2}.raw quorum-threshold=2 quorum-blkverify=true quorum-rewrite-corrupted=true

done_testing
