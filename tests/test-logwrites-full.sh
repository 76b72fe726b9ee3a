#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A log that is full: with "error" changes fail before the device is touched, and
# succeed again when there is room; with "stop" the recording ends, with a mark,
# a message and an event, and the device goes on.
. "${0%/*}/logwrites-functions.sh"
requires_root
mkdir "$tmpdir/small"
requires_command "no tmpfs can be mounted" mount -t tmpfs -o size=256k none "$tmpdir/small"
cleanup_fn umount -l "$tmpdir/small"

writes() { local i; for ((i = $1; i < $2; i++)); do echo "write -P $((i + 1)) $((i * 16))k 16k"; done; }
# fill NAME: 640 KiB in 40 requests, as many as succeed.
fill()
{
    local commands
    mapfile -t commands < <(writes 0 40)
    qemu_io "$1" -t writeback "${commands[@]/#/-c}" > "$tmpdir/fill" 2>&1
    grep -c '^wrote' "$tmpdir/fill"
}

log=$tmpdir/small/disk.log
empty_image "$tmpdir/disk.img" 1M
start_logwrites error
done_before=$(fill error)
like "$done_before" '^1[0-9]$' "error: $done_before of 40 writes fit"
like "$(cat "$tmpdir/fill")" 'No space left' "error: the others fail with ENOSPC"
is "$(query error recording)" true "error: it still records"
fails_like "error: no room for a large write" 'No space' qemu_io error -c 'write -P 77 0 64k'
ok "error: a zero takes no room" requests error 'write -z 512k 256k'
mount -o remount,size=1M "$tmpdir/small"
ok "error: with more room it goes on" requests error 'write -P 78 0 64k'
stop_nbdkit error
is_whole "error: a replay equals the device"
is "$(last_entry)" '0+0 MARK logwrites-end' "error: the log has its end mark"

rm -f "$log" "$tmpdir/before.img"
mount -o remount,size=256k "$tmpdir/small"
empty_image "$tmpdir/disk.img" 1M
start_logwrites stop logwrites-full=stop
qmp_events "$(control_of stop)" 20 1 > "$tmpdir/events" &
events_pid=$!
at_exit_kill $events_pid
is_watched() { [ "$(grep -c -F "$(control_of stop)" /proc/net/unix)" -ge 2 ]; }
wait_for 10 is_watched
is "$(fill stop)" 40 "stop: all writes succeed"
is "$(query stop state)" stopped "stop: the state says so"
is "$(query stop recording)" false "stop: and that nothing is recorded"
like "$(query stop reason)" 'full' "stop: and why"
like "$(cat "$tmpdir/stop.log")" 'the recording has ended: the log is full' "stop: so does the log"
fails_like "stop: a mark is refused" 'the log is full' mark stop late
entries_then=$(query stop entries)
ok "stop: flushes and trims go on" requests stop 'discard 0 64k' flush 'write -P 99 900k 64k'
is "$(query stop entries)" "$entries_then" "stop: and are not logged"
stop_nbdkit stop
is "$(last_entry)" '0+0 MARK logwrites-stopped' "stop: the last entry says that the recording stopped"
count=$(entries | grep -c NONE)
cp "$tmpdir/before.img" "$tmpdir/replay.img"
"$clients/logdump" --replay "$tmpdir/replay.img" "$log"
is "$(cmp "$tmpdir/replay.img" <(for ((i = 0; i < count; i++)); do
    head -c 16k /dev/zero | tr '\0' "\\$(printf %03o $((i + 1)))"; done; head -c 1M /dev/zero) 2>&1 |
    grep -v EOF)" "" "stop: a replay is the device after $count writes"
wait "$events_pid"
like "$(cat "$tmpdir/events")" 'LOGWRITES_STOPPED' "stop: there was an event"
done_testing
