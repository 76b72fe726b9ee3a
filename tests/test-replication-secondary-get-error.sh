#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU's case secondary/get_error_all: no error after the start, a text before it.
. "${0%/*}/replication-functions.sh"

pattern_image "$tmpdir/s.disk" 64M 0x11
start_secondary s
watch_events s
error_is "before the start" "Block replication is not running"
does "start" replication-start
error_is "no error" ""
does "stop with failover" replication-failover
state_comes "ends" "done"
error_is "none after it" ""
done_testing
