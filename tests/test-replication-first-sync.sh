#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The first copy: everything, with holes as holes; there is progress, and after a kill
# of either side it goes on where it was.
. "${0%/*}/replication-pair-functions.sh"

empty_image "$tmpdir/a.disk" 512M
random_image "$tmpdir/data" 40M 7
dd if="$tmpdir/data" of="$tmpdir/a.disk" bs=1M seek=10 conv=notrunc status=none
dd if="$tmpdir/data" of="$tmpdir/a.disk" bs=1M seek=300 conv=notrunc status=none
random_image "$tmpdir/b.disk" 512M 3
start_secondary b
start_primary a b replication-resync-rate=20M
on a
phase_comes "it copies" copying
wait_for 60 eval '[ "$(replication_value copy/done)" -gt 20000000 ]'
number "there is progress" copy/done -lt 300000000
number "the whole disk is to be copied" copy/total -eq $((512 << 20))
fails "no checkpoint meanwhile" control replication-checkpoint
like "$refusal" 'not in sync \(copying' "which is said"
_goes_on() { [ "$(replication_value lag/changed-bytes)" -lt $(((512 - 150) << 20)) ]; }
wait_for 60 _goes_on
kill_nbdkit a
unset '_session_out[a]'
start_primary a b
on a
in_sync_comes "after a kill it goes on"
number "with what was left" copy/total -lt $((500 << 20))
number "and sends holes as zeroes" copy/holes -gt $((200 << 20))
wait_for 10 replication_value_is secondary/consistent true
does "a checkpoint" replication-checkpoint
stop_nbdkit a
stop_nbdkit b
same_content "$tmpdir/a.disk" "$tmpdir/b.disk" "the disks are equal"
ok "and the copy is sparse" [ "$(stat -c %b "$tmpdir/b.disk")" -lt $((120 << 11)) ]
done_testing
