#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU's case primary/start.  There a read fails, for it is sent to the replication
# node; here reads are local.
. "${0%/*}/replication-pair-functions.sh"

pattern_image "$tmpdir/a.disk" 64M 0x11
empty_image "$tmpdir/b.disk" 64M
start_secondary b
start_primary a b replication-autostart=false
on a
refuses "only as what it is" "The parameter mode's value is invalid, needs 0, but got 1" \
    replication-start mode=secondary
does "start" replication-start
state_is "it runs" running
error_is "without an error" ""
ok "a read is local" guest_io a 'read -P 0x11 0 32M' 'read -P 0x11 32M 32M'
ok "a write" guest_io a 'write -P 0x22 0 32M' 'write -P 0x22 32M 32M'
refuses "it runs already" "Block replication is running or done" replication-start
in_sync_comes "the secondary gets it all"
stop_nbdkit a
ok "the disk holds what was written" holds "$tmpdir/a.disk" 0x22 0 64M
stop_nbdkit b
same_content "$tmpdir/a.disk" "$tmpdir/b.disk" "the secondary's too"
done_testing
