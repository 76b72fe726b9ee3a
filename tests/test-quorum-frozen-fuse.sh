#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A child that is a file on a file system that hangs: nbdfuse, whose server is
# frozen.  A thread that reads such a file cannot be interrupted.
. "${0%/*}/quorum-fault-functions.sh"
requires nbdfuse umount
requires_root
[ -c /dev/fuse ] || skip_all "no FUSE here"

three_images 1M
serve_image two "$tmpdir/2.raw"
mkdir "$tmpdir/fuse"
# O_DIRECT: past the page cache, so that every request gets to the server.
nbdfuse "$tmpdir/fuse/disk" "$(uri_of two)" > "$tmpdir/nbdfuse.log" 2>&1 < /dev/null &
at_exit_kill $!
cleanup_fn umount -l "$tmpdir/fuse"
cleanup_fn thaw "$(pid_of two)"
wait_for 10 test -e "$tmpdir/fuse/disk" || skip_all "nbdfuse does not work here"

start_quorum q "$tmpdir/1.raw" "$tmpdir/3.raw" quorum-child.slow="$tmpdir/fuse/disk" \
    quorum-child.slow.cache=none quorum-timeout=1500ms
watch_events q
ok "a write" qemu_io q -c 'write -P 0x71 0 128k' -c flush

for command in 'read -P 0x71 0 64k' 'write -P 0x72 256k 64k' 'write -z 512k 64k' flush; do
    freeze "$(pid_of two)"
    within 4500 "$command succeeds" qemu_io q -c "$command"
    within 1200 "the next one does not wait" qemu_io q -c "$command"
    thaw "$(pid_of two)"
    recovers "the child comes back"
done
identical "the children are equal"
never_differed "nobody was called a liar"

# That the server can be ended now is more than it can promise: the kernel does
# not let a process go that waits for a FUSE server.
stop_nbdkit q
is $? 0 "SIGTERM ends the server"
done_testing
