#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A server that serves one connection only (qemu-nbd without -t) is not used up by
# the first look: not even where the server goes into the background in between.
. "${0%/*}/quorum-functions.sh"

requires_command "qemu-nbd is missing" command -v qemu-nbd

three_images 1M 7
qemu-nbd --format=raw --socket="$tmpdir/two.sock" "$tmpdir/2.raw" \
    >> "$tmpdir/two.log" 2>&1 < /dev/null &
at_exit_kill $!
listens() { grep -q "$tmpdir/two.sock" /proc/net/unix; }
wait_for 30 listens  # connecting would be its one connection

# No -f: nbdkit forks after it has opened its children.
ok "it starts" nbdkit -U "$tmpdir/q.sock" -P "$tmpdir/q.pid" "$quorum_plugin" \
    quorum-child="$tmpdir/1.raw" quorum-child="$(uri_of two)" quorum-child="$tmpdir/3.raw" \
    quorum-control="$(control_of q)"
at_exit_kill "$(cat "$tmpdir/q.pid")"
watch_events q
is "$(child_value children.1 link)" up "the server of one connection is in use"
ok "everything reads well" qemu_io q -c 'read -P 7 0 1M'
ok "everything is written" qemu_io q -c 'write -P 9 0 64k' -c flush
end_process "$(cat "$tmpdir/q.pid")"
ok "also to it" holds "$tmpdir/2.raw" 9 0 65536
done_testing
