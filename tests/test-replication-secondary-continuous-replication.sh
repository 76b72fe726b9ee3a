#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU's case secondary/continuous_replication: after a failover start, checkpoint
# and stop are ignored, with success, and nothing changes.
. "${0%/*}/replication-functions.sh"

pattern_image "$tmpdir/s.disk" 64M 0x11
start_secondary s
watch_events s
does "start" xen-set-replication enable=true primary=false
ok "the primary writes to the second half" primary_io s 'write -P 0x22 32M 32M'
ok "the secondary writes to the first half" view_io s 'write -P 0x33 0 32M'
does "stop with failover" xen-set-replication enable=false primary=false failover=true
state_comes "ends" "done"
does "start as a primary" xen-set-replication enable=true primary=true
does "checkpoint" xen-colo-do-checkpoint
does "stop" xen-set-replication enable=false primary=true failover=true
does "start as a secondary" replication-start mode=secondary
does "failover" replication-failover
state_is "nothing of it did anything" "done"
ok "the secondary sees what it saw" view_io s 'read -P 0x33 0 32M' 'read -P 0x11 32M 32M'
ok "and goes on writing" view_io s 'write -P 0x44 1M 1M' 'read -P 0x44 1M 1M' flush
stop_nbdkit s
ok "to the disk" holds "$tmpdir/s.disk" 0x44 1M 1M
done_testing
