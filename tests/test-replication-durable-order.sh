#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What must be durable before what, seen in the calls of the server: the old content
# before the map that says so, the map before the disk, the disk before the header of
# a checkpoint.
. "${0%/*}/replication-functions.sh"
requires strace
requires_no_sanitizers

# Not in memory: there, nothing is synced.
[ "$(stat -f -c %T "$run")" != tmpfs ] || skip_all "$run is in memory"
random_image "$tmpdir/s.disk" 1M 1
start_secondary s
watch_events s
does "start" replication-start
strace -f -y -e trace=pwrite64,pwritev2,fdatasync,fsync -o "$tmpdir/trace" \
    -p "$(pid_of s)" 2> "$tmpdir/strace.err" &
tracer=$!
at_exit_kill $tracer
wait_for 10 grep -q attached "$tmpdir/strace.err" || skip_all "strace cannot attach"
# calls: those since the last time, as "write hidden", "sync disk", ...
calls()
{
    local all
    all=$(grep -c '' "$tmpdir/trace")
    tail -n +$(($(cat "$tmpdir/seen") + 1)) "$tmpdir/trace" | sed -n -E \
        -e 's/^[0-9]+ +(pwrite64|pwritev2)\([0-9]+<[^>]*\/(s\.)?([^>]*)>.*/write \3/p' \
        -e 's/^[0-9]+ +f(data)?sync\([0-9]+<[^>]*\/(s\.)?([^>]*)>.*/sync \3/p' > "$tmpdir/calls"
    echo "$all" > "$tmpdir/seen"
    tr '\n' ',' < "$tmpdir/calls"
}
echo 0 > "$tmpdir/seen"
ok "the primary writes" primary_io s 'write -P 0x22 64k 8k'
is "$(calls | sed 's/sync disk,//g')" \
    "write hidden,sync hidden,write hidden.map,sync hidden.map,write disk," \
    "the old content is durable before the disk changes"
ok "the same place again" primary_io s 'write -P 0x23 64k 8k'
is "$(calls | sed 's/sync disk,//g')" "write disk," "is saved once"
does "a checkpoint" replication-checkpoint
is "$(calls)" "sync disk,write hidden.map,sync hidden.map," "the disk, and then one write"
ok "the secondary writes and flushes" view_io s 'write -P 0x34 0 8k' flush
like "$(calls)" '^write active,sync active,write active.map,sync active.map,' \
    "its own data before its map"
done_testing
