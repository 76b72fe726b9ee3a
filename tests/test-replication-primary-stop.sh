#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU's case primary/stop, and what QEMU cannot: the guest goes on, and a primary that
# was stopped can be started again.
. "${0%/*}/replication-pair-functions.sh"

random_image "$tmpdir/a.disk" 8M 1
empty_image "$tmpdir/b.disk" 8M
start_secondary b
start_primary a b
on a
in_sync_comes "in sync"
does "stop, with failover as QEMU has it" xen-set-replication enable=false primary=true failover=true
state_is "it is done" "done"
does "a second stop is ignored" replication-stop
phase_comes "the session ends" stopped
ok "the guest goes on" guest_io a 'write -P 0x33 1M 64k'
does "a checkpoint is ignored" replication-checkpoint
does "start again" replication-start
in_sync_comes "in sync again"
number "only what it missed was copied" copy/total -le 65536
does "a checkpoint" replication-checkpoint
stop_nbdkit a
stop_nbdkit b
same_content "$tmpdir/a.disk" "$tmpdir/b.disk" "the disks are equal"
done_testing
