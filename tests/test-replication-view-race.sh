#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What the secondary reads does not change while the primary writes to the very same
# places; only a checkpoint changes it.
. "${0%/*}/replication-functions.sh"
requires nbdcopy
requires_nbdkit_filter delay

# A read of the disk takes long enough for a write to come between.
below_filters=(--filter=delay)
below_parameters=(delay-read=10ms)

random_image "$tmpdir/s.disk" 1M 1
cp "$tmpdir/s.disk" "$tmpdir/primary"
start_secondary s
watch_events s
does "start" replication-start
for round in 1 2 3; do
    cp "$tmpdir/primary" "$tmpdir/checkpoint"
    client odd s $round 300 primary="$tmpdir/primary" > "$tmpdir/odd.log" 2>&1 &
    writer=$!
    reads=0 wrong=0
    while is_running $writer; do
        timeout 20 nbdcopy --request-size=65536 "$(uri_of s)" "$tmpdir/seen"
        cmp -s "$tmpdir/seen" "$tmpdir/checkpoint" || wrong=$((wrong + 1))
        reads=$((reads + 1))
    done
    ok "round $round: the primary writes" wait $writer
    diag "$reads reads"
    is "$wrong" 0 "round $round: each read is of the checkpoint"
    does "round $round: a checkpoint" replication-checkpoint
    ok "round $round: shows what the primary wrote" \
        cmp "$tmpdir/primary" <(nbdcopy "$(uri_of s)" -)
done
done_testing
