#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A merge that fails leaves failover-failed: what is buffered can be read and
# written, the rest goes to the disk.  When the disk works again, the failover is
# repeated.
. "${0%/*}/replication-functions.sh"
requires_nbdkit_filter error

pattern_image "$tmpdir/s.disk" 64M 0x11
below_filters=(--filter=error)
below_parameters=(error-pwrite=EIO error-pwrite-rate=100% error-zero=EIO error-zero-rate=100%
    error-file="$tmpdir/broken")
start_secondary s
watch_events s
does "start" replication-start
ok "the primary writes" primary_io s 'write -P 0x22 32M 1M'
ok "the secondary writes" view_io s 'write -P 0x33 0 1M'
touch "$tmpdir/broken"
does "failover with a broken disk" replication-failover
state_comes "fails" failover-failed
error_is "which is an error" "I/O error occurred"
ok "what is seen is still seen" view_io s 'read -P 0x33 0 1M' 'read -P 0x11 1M 63M'
ok "writes to what is buffered work" view_io s 'write -P 0x44 512k 512k' 'write -P 0x55 32M 1M'
fails_like "others are EIO" 'write failed: Input/output error' view_io s 'write 2M 64k'
fails_like "also one that is buffered in part" 'write failed: Input/output error' \
    view_io s 'write 1020k 8k'
refuses "stop" "Block replication is not running" \
    xen-set-replication enable=false primary=false failover=false
refuses "start" "Block replication is running or done" replication-start
refuses "checkpoint" "Backup job was cancelled unexpectedly" replication-checkpoint
kill_nbdkit s
start_secondary s
watch_events s
state_comes "a restart tries again, and fails again" failover-failed
rm "$tmpdir/broken"
ok "the disk takes what is not buffered" view_io s 'write -P 0x66 4M 64k'
does "the failover is repeated" replication-failover
state_comes "and ends" "done"
error_is "without an error" ""
ok "with all of it" view_io s 'read -P 0x33 0 512k' 'read -P 0x44 512k 508k' \
    'read -P 0x55 32M 1M' 'read -P 0x66 4M 64k' 'read -P 0x11 33M 31M'
done_testing
