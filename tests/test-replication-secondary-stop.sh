#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU's case secondary/stop: a failover keeps what the secondary saw, so what the
# primary wrote since the checkpoint goes.  (QEMU's own test claims that it stays,
# and cannot notice.)
. "${0%/*}/replication-functions.sh"

pattern_image "$tmpdir/s.disk" 64M 0x11
start_secondary s
watch_events s
does "start" replication-start
ok "the primary writes to the second half" primary_io s 'write -P 0x22 32M 32M'
ok "which is not seen" view_io s 'read -P 0x11 32M 32M'
ok "the secondary writes to the first half" view_io s 'write -P 0x33 0 32M'
does "stop with failover" replication-failover
state_comes "ends" "done"
error_is "without an error" ""
ok "the secondary sees what it saw" view_io s 'read -P 0x33 0 32M' 'read -P 0x11 32M 32M'
fails_like "the primary may not write any more" 'write failed' primary_io s 'write 0 64k'
stop_nbdkit s
ok "the disk has the first half" holds "$tmpdir/s.disk" 0x33 0 32M
ok "and the second" holds "$tmpdir/s.disk" 0x11 32M 32M
done_testing
