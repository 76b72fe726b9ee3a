#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Checkpoints by the clock, and by the guest's flushes: in sync mode a flush that was
# acknowledged is in a checkpoint of the secondary.
. "${0%/*}/replication-pair-functions.sh"

empty_image "$tmpdir/a.disk" 8M
empty_image "$tmpdir/b.disk" 8M
start_standby b
start_primary a b replication-checkpoint-interval=100ms
on a
in_sync_comes "in sync"
wait_for 20 eval '[ "$(replication_value counters/checkpoints)" -ge 5 ]'
number "there are checkpoints by the clock" counters/checkpoints -ge 5
ok "the guest writes" guest_io a 'write -P 0x22 0 64k'
wait_for 10 view_io b 'read -P 0x22 0 64k'
ok "and the secondary sees it by itself" view_io b 'read -P 0x22 0 64k'
stop_nbdkit a

start_primary a b replication-checkpoint-on=flush
on a
in_sync_comes "in sync again"
number_of() { replication_value checkpoint; }
for i in 1 2 3 4 5; do
    before=$(number_of)
    ok "$i: write and flush" guest_io a "write -P 0x3$i ${i}M 64k" flush
    number "$i: a checkpoint was made" checkpoint -gt "$before"
    ok "$i: with what was written" view_io b "read -P 0x3$i ${i}M 64k"
done
ok "a write without a flush" guest_io a 'write -P 0x44 0 4k'
kill_nbdkit a
on b
does "failover" replication-failover
state_comes "ends" "done"
ok "all that was flushed is there" view_io b 'read -P 0x35 5M 64k' 'read -P 0x31 1M 64k'
done_testing
