#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Which command is good in which state, with QEMU's texts.
. "${0%/*}/replication-functions.sh"

pattern_image "$tmpdir/s.disk" 1M 0x11
start_secondary s
watch_events s
refuses "stop before the start" "Block replication is not running" replication-stop
refuses "failover before the start" "Block replication is not running" replication-failover
refuses "the same in QEMU's words" "Block replication is not running" \
    xen-set-replication enable=false primary=false failover=false
does "QEMU throws that away with failover" \
    xen-set-replication enable=false primary=false failover=true
refuses "checkpoint before the start" "Backup job was cancelled unexpectedly" \
    xen-colo-do-checkpoint
refuses "start as the other side" "The parameter mode's value is invalid, needs 1, but got 0" \
    xen-set-replication enable=true primary=true
refuses "an unknown mode" "Parameter 'mode' does not accept value 'foo'" \
    replication-start mode=foo
refuses "failover without a stop" "Parameter 'failover' is only for stopping replication" \
    xen-set-replication enable=true primary=false failover=true
does "start works after all that" replication-start
refuses "start again" "Block replication is running or done" replication-start
refuses "as the other side" "Block replication is running or done" \
    xen-set-replication enable=true primary=true
does "checkpoint" replication-checkpoint
is "$(replication_value checkpoint)" 2 "has a number"
refuses "no snapshot meanwhile" \
    "Node 'replication' is busy: Block device is in use by replication" blockdev-snapshot-sync
refuses "no other job" "Node 'replication' is busy: Block device is in use by replication" \
    drive-backup
refuses "no other size" "Node 'replication' is busy: Block device is in use by replication" \
    block_resize
done_testing
