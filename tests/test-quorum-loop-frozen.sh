#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Again and again, at random moments: a child freezes under load, and thaws
# before or after it has been given up.  NBDRES_LONG=1: 50 rounds.
. "${0%/*}/quorum-fault-functions.sh"

rounds=$(rounds 3)
three_images 1M
serve_image two "$tmpdir/2.raw"
start_quorum q "$tmpdir/1.raw" "$(uri_of two)" "$tmpdir/3.raw" quorum-timeout=300ms
watch_events q
for ((round = 1; round <= rounds; round++)); do
    stress_begins q --requests=0 --seconds=1.5
    sleep "0.$((RANDOM % 4 + 1))"
    freeze "$(pid_of two)"
    sleep "0.$((RANDOM % 8 + 1))"
    thaw "$(pid_of two)"
    stress_ends "round $round: what was read is right"
    recovers "round $round: all is well again"
    identical "round $round: the children are equal"
    SEED=$((SEED + 1))
done
never_differed "nobody was called a liar"
done_testing
