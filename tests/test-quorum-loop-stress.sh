#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Again and again, from other seeds: overlapping requests on all kinds of
# children.  NBDRES_LONG=1: 50 rounds.
. "${0%/*}/quorum-fault-functions.sh"

patterns=(quorum fastest fifo)
rounds=$(rounds 3)
for ((round = 1; round <= rounds; round++)); do
    three_images 1M
    pattern=${patterns[round % 3]}
    serve_image two "$tmpdir/2.raw"
    start_quorum q "$tmpdir/1.raw" "$(uri_of two)" "$tmpdir/3.raw" quorum-read-pattern="$pattern"
    watch_events q
    ok "round $round ($pattern): what was read is right" stress q --requests=3000 \
        --connections=$((RANDOM % 4 + 1)) --depth=$((RANDOM % 16 + 1)) --size=128k
    identical "round $round: the children are equal"
    never_differed "round $round: nobody was called a liar"
    stop_nbdkit q
    stop_nbdkit two
    SEED=$((SEED + 1))
done
done_testing
