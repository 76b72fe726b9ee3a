#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# There is no room left for hidden, or for active: who writes gets ENOSPC, the disk
# and the checkpoint stay as they are, the error is noted, and it goes on when there
# is room again.
. "${0%/*}/replication-functions.sh"
requires_root

mount -t tmpfs -o size=4M tmpfs "$run" 2> /dev/null || skip_all "no mount of a tmpfs here"
cleanup_fn umount -l "$run"
random_image "$tmpdir/s.disk" 32M 1
cp "$tmpdir/s.disk" "$tmpdir/before"
start_secondary s
watch_events s
does "start" replication-start
fails_like "the primary writes more than hidden can keep" 'No space left' \
    primary_io s 'write -P 0x22 0 16M'
error_is "which is noted" "I/O error occurred"
event_comes "and told" 5 'REPLICATION_ERROR.*saving what the disk held'
isnt "$(replication_value counters/save-errors)" 0 "and counted"
ok "the checkpoint is as it was" cmp "$tmpdir/before" <(nbdcopy "$(uri_of s)" -)
ok "so is the disk" cmp "$tmpdir/before" <(nbdcopy "$(export_uri s primary)" -)
does "a checkpoint" replication-checkpoint
error_is "does not clear the error" "I/O error occurred"
ok "room is made" mount -o remount,size=64M "$run"
ok "the primary writes" primary_io s 'write -P 0x22 0 16M'
ok "and it is kept" cmp "$tmpdir/before" <(nbdcopy "$(uri_of s)" -)

does "a checkpoint" replication-checkpoint
small() { mount -o remount,size=2M "$run"; }
ok "a small disk again" wait_for 20 small
head -c 8M /dev/zero > "$run/fill" 2> /dev/null
fails_like "the secondary's own write finds no room" 'No space left' \
    view_io s 'write -P 0x33 16M 8M'
ok "what it sees is right elsewhere" view_io s 'read -P 0x22 0 16M'
kill_nbdkit s
start_secondary s
watch_events s
state_is "after a kill it runs" running
rm "$run/fill"
ok "room is made" mount -o remount,size=64M "$run"
ok "and it writes" view_io s 'write -P 0x33 16M 8M' 'read -P 0x33 16M 8M' flush
does "it fails over" replication-failover
state_comes "to the end" "done"
ok "with all of it" view_io s 'read -P 0x22 0 16M' 'read -P 0x33 16M 8M'
done_testing
