#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Again and again, at random moments: a child server that has not written
# everything to disk is killed under load, and started again.  NBDRES_LONG=1: 50
# rounds.
. "${0%/*}/quorum-fault-functions.sh"
requires_nbdkit_filter cache

# No flushes, so that it really forgets.
rounds=$(rounds 3)
three_images 1M
forgetful() { start_nbdkit two --filter=cache file "$tmpdir/2.raw" cache=writeback; }
forgetful
start_quorum q "$tmpdir/1.raw" "$(uri_of two)" "$tmpdir/3.raw" quorum-timeout=3s
watch_events q
for ((round = 1; round <= rounds; round++)); do
    stress_begins q --requests=0 --seconds=1.5 --no-flush
    sleep "0.$((RANDOM % 5 + 1))"
    kill_nbdkit two
    sleep "0.$((RANDOM % 3))"
    forgetful
    stress_ends "round $round: what was read is right"
    recovers "round $round: all is well again"
    identical "round $round: the children are equal"
    SEED=$((SEED + 1))
done
never_differed "nobody was called a liar"
done_testing
