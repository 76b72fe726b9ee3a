#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A server that serves one connection only (qemu-nbd without -t) is not used up by
# the first look: not even where the server goes into the background in between, nor where
# it is compared with what was left there.
. "${0%/*}/quorum-foreign-functions.sh"

requires_command "qemu-nbd is missing" command -v qemu-nbd

three_images 1M 7
listens() { grep -q "$tmpdir/two.sock" /proc/net/unix; }
serve_one_connection()
{
    qemu-nbd --format=raw --socket="$tmpdir/two.sock" "$tmpdir/2.raw" \
        >> "$tmpdir/two.log" 2>&1 < /dev/null &
    at_exit_kill $!
    wait_for 30 listens  # connecting would be its one connection
}
# starts NAME [KEY=VALUE...]
starts()
{
    local name=$1
    shift
    rm -f "$tmpdir/q.sock"
    # No -f: nbdkit forks after it has opened its children.
    ok "$name" nbdkit -U "$tmpdir/q.sock" -P "$tmpdir/q.pid" "$quorum_plugin" \
        quorum-child="$tmpdir/1.raw" quorum-child="$(uri_of two)" quorum-child="$tmpdir/3.raw" \
        quorum-control="$(control_of q)" "$@"
    at_exit_kill "$(cat "$tmpdir/q.pid")"
    watch_events q
    is "$(child_value children.1 link)" up "the server of one connection is in use"
}
ends()
{
    end_process "$(cat "$tmpdir/q.pid")"
    wait_for 10 does_not_listen
}
does_not_listen() { ! listens; }

serve_one_connection
starts "it starts"
ok "everything reads well" qemu_io q -c 'read -P 7 0 1M'
ok "everything is written" qemu_io q -c 'write -P 9 0 64k' -c flush
ends
ok "also to it" holds "$tmpdir/2.raw" 9 0 65536

serve_one_connection
starts "it starts with a memory" "$memory"
fills "it is written" 8 0 1M
ends
serve_one_connection
starts "it is compared" "$memory"
is "$(child_value children.1 state)" online "and taken for what was left"
ok "everything reads well then" qemu_io q -c 'read -P 8 0 1M'
ends
overwrite "$tmpdir/2.raw" 5 0 4096
serve_one_connection
starts "it is compared again" "$memory"
is_foreign "now it is another one" children.1
ends
done_testing
