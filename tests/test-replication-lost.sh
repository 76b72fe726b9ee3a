#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The secondary is lost: the guest goes on, what is missed is noted and shown; when it
# is back only that is copied, and until then it keeps its last checkpoint.
. "${0%/*}/replication-pair-functions.sh"

random_image "$tmpdir/a.disk" 64M 1
empty_image "$tmpdir/b.disk" 64M
start_secondary b
start_primary a b
on a
in_sync_comes "in sync"
ok "the guest writes" guest_io a 'write -P 0x11 0 64k'
does "a checkpoint" replication-checkpoint
kill_nbdkit b
within 5000 "the guest goes on" guest_io a 'write -P 0x22 0 64k' 'write -P 0x22 20M 100k' flush
phase_comes "the loss is seen" connecting
within 1000 "at local speed" guest_io a 'write -P 0x22 0 64k' 'write -P 0x23 30M 64k'
number "what it missed is known" lag/missed-bytes -ge $((228 << 10))
number "and is not more" lag/missed-bytes -le $((8 << 16))
number "the loss is counted" counters/links-lost -eq 1
fails "no checkpoint without a secondary" control replication-checkpoint
start_secondary b
in_sync_comes "it is back"
number "only that was copied" copy/total -le $((8 << 16))
wait_for 10 eval '[ "$(replication_value counters/checkpoints)" -ge 3 ]'
ok "and a checkpoint was made of it" view_io b 'read -P 0x22 0 64k' 'read -P 0x23 30M 64k'
stop_nbdkit a
stop_nbdkit b
same_content "$tmpdir/a.disk" "$tmpdir/b.disk" "the disks are equal"
done_testing
