#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Again and again, at random moments, the secondary is killed while both sides write
# and checkpoints are made; after its restart it shows exactly the last checkpoint,
# with its own durable writes.  NBDRES_LONG=1: 100 rounds.
. "${0%/*}/replication-functions.sh"

SEED=${SEED:-$RANDOM}
diag "seed $SEED"
rounds=$(rounds 6)
random_image "$tmpdir/s.disk" 2M 1
for ((round = 1; round <= rounds; round++)); do
    start_secondary s replication-cluster-size=$((4096 << round % 3))
    rm -f "$tmpdir/begun"
    client crash s "$tmpdir" $((SEED + round)) > "$tmpdir/crash.log" 2>&1 &
    writer=$!
    wait_for 20 test -e "$tmpdir/begun" || fail "round $round: it writes" "$(cat "$tmpdir/crash.log")"
    sleep "0.$((RANDOM % 4))$((RANDOM % 10))"
    kill_nbdkit s
    ok "round $round: the server dies under load" wait $writer
    start_secondary s
    ok "round $round: and the checkpoint is there" client verify s "$tmpdir"
    stop_nbdkit s
done
start_secondary s
watch_events s
does "in the end it fails over" replication-failover
state_comes "to it" "done"
ok "which is in the disk" client verify s "$tmpdir"
stop_nbdkit s
done_testing
