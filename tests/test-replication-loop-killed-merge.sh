#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Again and again the secondary is killed while it fails over and its own machine
# writes; in the end its disk is what it saw.  NBDRES_LONG=1: 100 rounds.
. "${0%/*}/replication-functions.sh"

SEED=${SEED:-$RANDOM}
diag "seed $SEED"
rounds=$(rounds 4)
for ((round = 1; round <= rounds; round++)); do
    rm -f "$run"/* "$tmpdir"/s.disk*
    random_image "$tmpdir/s.disk" 4M "$round"
    cp "$tmpdir/s.disk" "$tmpdir/view"
    start_secondary s
    watch_events s
    control replication-start || fail "round $round: start"
    client odd s $((SEED + round)) 60 view="$tmpdir/view" > /dev/null || fail "round $round: load"
    primary_io s 'write -P 0x22 0 4M' > /dev/null || fail "round $round: the primary writes"
    kills=$((RANDOM % 3 + 1))
    for ((i = 0; i < kills; i++)); do
        control replication-failover || fail "round $round: failover" "$refusal"
        sleep "0.00$((RANDOM % 10))"
        kill_nbdkit s
        start_secondary s
        watch_events s
        client odd s $((SEED + i)) 10 view="$tmpdir/view" > /dev/null || fail "round $round: load"
    done
    wait_for 20 replication_value_is state "done" || fail "round $round: it ends"
    stop_nbdkit s
    same_content "$tmpdir/s.disk" "$tmpdir/view" "round $round: $kills kills"
done
done_testing
