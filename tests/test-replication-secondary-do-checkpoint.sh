#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU's case secondary/do_checkpoint: after a checkpoint the secondary sees the
# disk as it is now.
. "${0%/*}/replication-functions.sh"

pattern_image "$tmpdir/s.disk" 64M 0x11
start_secondary s
watch_events s
does "start" replication-start
ok "the primary writes to the second half" primary_io s 'write -P 0x22 32M 32M'
ok "which is not seen" view_io s 'read -P 0x11 32M 32M'
ok "the secondary writes" view_io s 'write -P 0x33 0 1M'
is "$(replication_value hidden-bytes) $(replication_value active-bytes)" "33554432 1048576" \
    "hidden and active have that much"
does "checkpoint" xen-colo-do-checkpoint
ok "now it is seen" view_io s 'read -P 0x22 32M 32M'
ok "and the secondary's own write is gone" view_io s 'read -P 0x11 0 32M'
is "$(replication_value hidden-bytes) $(replication_value active-bytes)" "0 0" \
    "hidden and active are empty"
is "$(replication_value checkpoint)" 2 "it was the second checkpoint"
given_back() { [ "$(du -k -c "$run/s.hidden" "$run/s.active" | tail -1 | cut -f1)" -lt 64 ]; }
ok "and their space is given back" wait_for 20 given_back
ok "the primary writes again" primary_io s 'write -P 0x44 32M 32M'
does "stop with failover" replication-failover
state_comes "ends" "done"
ok "with what the checkpoint had" view_io s 'read -P 0x22 32M 32M' 'read -P 0x11 0 32M'
done_testing
