#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Requests of odd sizes on both sides: what is around them stays as it is, byte by
# byte.  (QEMU sends its own memory there.)
. "${0%/*}/replication-functions.sh"

random_image "$tmpdir/s.disk" 1M 1
cp "$tmpdir/s.disk" "$tmpdir/view"
cp "$tmpdir/s.disk" "$tmpdir/primary"
start_secondary s replication-cluster-size=16k
watch_events s
does "start" replication-start
odd() { client odd s "$1" 1500 view="$tmpdir/view" primary="$tmpdir/primary"; }
ok "1500 requests on both sides" odd 1
does "a checkpoint" replication-checkpoint
cp "$tmpdir/primary" "$tmpdir/view"
ok "and again" odd 2
does "failover" replication-failover
state_comes "ends" "done"
stop_nbdkit s
same_content "$tmpdir/s.disk" "$tmpdir/view" "the disk is what the secondary saw"
done_testing
