#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Again and again: the servers of two children go away in turn, each while the
# other is there, so that each is copied from the other.  NBDRES_LONG=1: 50
# rounds.
. "${0%/*}/quorum-fault-functions.sh"

rounds=$(rounds 3)
three_images 1M
serve_image two "$tmpdir/2.raw"
serve_image three "$tmpdir/3.raw"
start_quorum q "$tmpdir/1.raw" "$(uri_of two)" "$(uri_of three)" quorum-timeout=3s
watch_events q
names=(two three)
for ((round = 1; round <= rounds; round++)); do
    which=$((round % 2))
    stress_begins q --requests=0 --seconds=1.5
    sleep "0.$((RANDOM % 3 + 1))"
    # Half of the time the server ends properly, and answers what it has.
    if [ $((RANDOM % 2)) = 0 ]; then
        kill -TERM "$(pid_of "${names[which]}")"
        wait_for 3 is_gone "$(pid_of "${names[which]}")" || kill_nbdkit "${names[which]}"
    else
        kill_nbdkit "${names[which]}"
    fi
    restart_image "${names[which]}" "$tmpdir/$((which + 2)).raw"
    stress_ends "round $round (${names[which]}): what was read is right"
    recovers "round $round: all is well again"
    identical "round $round: the children are equal"
    SEED=$((SEED + 1))
done
never_differed "nobody was called a liar"
done_testing
