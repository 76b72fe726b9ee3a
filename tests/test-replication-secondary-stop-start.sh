#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A stop without failover works, and what was stopped can be started again; QEMU
# fails at both.
. "${0%/*}/replication-functions.sh"

pattern_image "$tmpdir/s.disk" 8M 0x11
start_secondary s
watch_events s
does "start" replication-start
ok "both write" primary_io s 'write -P 0x22 4M 4M'
ok "both" view_io s 'write -P 0x33 0 1M'
does "stop without failover" replication-stop
state_is "is done" "done"
error_is "without an error" ""
ok "the disk is seen, as the primary left it" view_io s 'read -P 0x22 4M 4M' 'read -P 0x11 0 4M'
fails_like "the primary may not write" 'write failed: Input/output error' \
    primary_io s 'write 0 4k'
does "another stop is ignored" replication-stop
does "start again" replication-start
state_is "runs" running
ok "the primary may write" primary_io s 'write -P 0x44 4M 4M'
ok "and that is kept back" view_io s 'read -P 0x22 4M 4M'
does "stop in QEMU's words" xen-set-replication enable=false primary=false failover=false
ok "has the last content" view_io s 'read -P 0x44 4M 4M'
stop_nbdkit s
start_secondary s
watch_events s
state_is "a restart does not change that" "done"
does "it can be started" replication-start
ok "and fails over" control replication-failover
state_comes "to the end" "done"
done_testing
