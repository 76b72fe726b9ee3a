#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Many requests at once as the very first ones on file children: what a file
# system can do at once is found out by trying, while other requests are on their
# way.  None may be forgotten.
. "${0%/*}/quorum-fault-functions.sh"

# Not on tmpfs, where everything is done at once.
wrong=0 differences=0
for ((round = 1; round <= 15; round++)); do
    three_images 256K
    start_quorum q "$tmpdir"/{1,2,3}.raw
    watch_events q
    stress q --connections=4 --depth=4 --requests=300 --size=128k --largest=16k \
        > "$tmpdir/.out" 2>&1 || { wrong=$((wrong + 1)) && diag "$(head -n 30 "$tmpdir/.out")"; }
    differences=$((differences + $(all_counted mismatches)))
    stop_nbdkit q
    for i in 2 3; do cmp -s "$tmpdir/1.raw" "$tmpdir/$i.raw" || wrong=$((wrong + 1)); done
    SEED=$((SEED + 1))
done
is $wrong 0 "what was read is right, and the children are equal"
is $differences 0 "nobody was called a liar"
done_testing
