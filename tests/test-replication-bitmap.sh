#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What the secondary missed is known after a SIGKILL of the primary, too.
. "${0%/*}/replication-pair-functions.sh"

random_image "$tmpdir/a.disk" 64M 1
empty_image "$tmpdir/b.disk" 64M
start_secondary b
start_primary a b
on a
in_sync_comes "in sync"
does "a checkpoint" replication-checkpoint
wait_for 10 replication_value_is lag/changed-bytes 0
kill_nbdkit b
for round in 1 2 3; do
    ok "the guest writes" guest_io a "write -P 0x2$round ${round}0M 100k"
    kill_nbdkit a
    primary_refused "the primary alone does not start" \
        'sure that it was not promoted, start this side with replication-alone=true' a b
    start_primary a b replication-alone=true
done
on a
phase_comes "it runs without" connecting
number "what was missed is known" lag/changed-bytes -ge $((300 << 10))
start_secondary b
in_sync_comes "the secondary is back"
number "only that was copied" copy/total -le $((9 << 16))
does "a checkpoint" replication-checkpoint
stop_nbdkit a
is "$(stat -c %s "$run/a.changes")" 1536 "the bitmap is small"
stop_nbdkit b
same_content "$tmpdir/a.disk" "$tmpdir/b.disk" "the disks are equal"

overwrite "$run/a.changes" 0x5a 1100 1
start_secondary b
primary_refused "a damaged bitmap is refused" 'bitmap .* is damaged: .*bytes 1024 to 1535' a b
rm "$run/a.changes"
start_primary a b
on a
in_sync_comes "without it"
number "everything is copied" copy/total -eq $((64 << 20))
done_testing
