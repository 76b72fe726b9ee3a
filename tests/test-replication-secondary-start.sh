#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU's case secondary/start: the secondary sees the disk as it was at the start,
# and its own writes.
. "${0%/*}/replication-functions.sh"

pattern_image "$tmpdir/s.disk" 64M 0x11
start_secondary s
watch_events s
does "start" replication-start mode=secondary
ok "the disk is seen" view_io s 'read -P 0x11 0 64M'
ok "the primary writes to the second half" primary_io s 'write -P 0x22 32M 32M'
ok "which is not seen" view_io s 'read -P 0x11 32M 32M'
ok "the secondary writes to the first half" view_io s 'write -P 0x33 0 32M'
ok "which is seen" view_io s 'read -P 0x33 0 32M' 'read -P 0x11 32M 32M'
ok "but not by the primary" primary_io s 'read -P 0x11 0 32M' 'read -P 0x22 32M 32M'
does "stop with failover" xen-set-replication enable=false primary=false failover=true
state_comes "ends" "done"
done_testing
