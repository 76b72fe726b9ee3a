#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2086
# After a failover the old primary becomes the secondary, and only what differs is
# copied; and back again.
. "${0%/*}/replication-pair-functions.sh"

random_image "$tmpdir/a.disk" 128M 1
empty_image "$tmpdir/b.disk" 128M
start_standby b
start_primary a b
on a
in_sync_comes "in sync"
first=a second=b
for round in 1 2 3; do
    on $first
    ok "the guest of $first writes" guest_io $first "write -P 0x1$round 10M 1M"
    does "a checkpoint" replication-checkpoint
    ok "and writes more" guest_io $first "write -P 0x2$round 10M 256k" "write -P 0x2$round 50M 256k"
    kill_nbdkit $first
    on $second
    does "$second is promoted" replication-failover
    state_comes "which ends" "done"
    ok "it has the checkpoint" view_io $second "read -P 0x1$round 10M 1M"
    ok "and is written to" view_io $second "write -P 0x3$round 80M 256k"
    stop_nbdkit $second
    start_standby $first
    start_primary $second $first
    on $second
    is "$(replication_value epoch)" $((round + 1)) "epoch $((round + 1))"
    in_sync_comes "$first is the secondary"
    number "and got what differed" copy/total -ge $((768 << 10))
    number "and no more" copy/total -le $((3 << 20))
    does "a checkpoint" replication-checkpoint
    ok "$first sees it" view_io $first "read -P 0x1$round 10M 1M" "read -P 0x3$round 80M 256k"
    read -r first second <<< "$second $first"
done
stop_nbdkit $first
stop_nbdkit $second
same_content "$tmpdir/a.disk" "$tmpdir/b.disk" "the disks are equal"
done_testing
