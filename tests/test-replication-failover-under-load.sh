#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# While a failover merges, I/O goes on, and every read is right; when the server is
# killed in the middle, the merge is finished after the restart.
. "${0%/*}/replication-functions.sh"
requires_nbdkit_filter delay

random_image "$tmpdir/s.disk" 32M 1
cp "$tmpdir/s.disk" "$tmpdir/view"
below_filters=(--filter=delay)
below_parameters=(delay-write=300ms)
start_secondary s
watch_events s
does "start" replication-start
load() { client odd s "$1" "$2" view="$tmpdir/view"; }
ok "the secondary writes" load 1 200
ok "the primary writes" primary_io s 'write -P 0x22 0 32M'
does "failover" replication-failover
state_is "has begun" failover
ok "I/O goes on" load 2 2
state_is "while it merges" failover
kill_nbdkit s
fails_like "after a kill such a disk is no primary's" 'its failover has not ended' \
    timeout 20 nbdkit -f -U - --filter="$replication_filter" file "$tmpdir/s.disk" \
    replication-mode=primary replication-secondary="$(export_uri nobody primary)"
start_secondary s
watch_events s
state_is "after a kill it goes on merging" failover
is "$(replication_value role)" promoted "as a promoted side"
ok "and so does I/O" load 3 5
state_comes "the merge ends" "done"
ok "I/O goes on" load 4 10
stop_nbdkit s
same_content "$tmpdir/s.disk" "$tmpdir/view" "the disk is what the secondary saw and wrote"
done_testing
