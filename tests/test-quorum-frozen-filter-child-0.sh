#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# As a filter: the plugin below is a child like any other, and may hang.  Here it
# is nbdkit's own nbd plugin, whose server is frozen.
. "${0%/*}/quorum-fault-functions.sh"

three_images 1M
serve_image one "$tmpdir/1.raw"
start_nbdkit q --filter="$quorum_filter" nbd uri="$(uri_of one)" \
    quorum-child="$tmpdir/2.raw" quorum-child="$tmpdir/3.raw" quorum-timeout=1500ms \
    quorum-control="$(control_of q)"
watch_events q
ok "a write" qemu_io q -c 'write -P 0x41 0 128k'
for command in 'read -P 0x41 0 64k' 'write -P 0x42 256k 64k' 'write -z 512k 64k' flush; do
    freeze "$(pid_of one)"
    within 4500 "$command succeeds" qemu_io q -c "$command"
    within 1200 "the next one does not wait" qemu_io q -c "$command"
    thaw "$(pid_of one)"
    recovers "the plugin below comes back"
done
identical "the children are equal"
never_differed "nobody was called a liar"

freeze "$(pid_of one)"
within 4500 "a read with the child frozen" qemu_io q -c 'read -P 0x41 0 64k'
milliseconds stop_nbdkit q 20
is $? 0 "SIGTERM ends the server"
ok "in bounded time ($elapsed ms)" test $elapsed -lt 10000
thaw "$(pid_of one)"
done_testing
