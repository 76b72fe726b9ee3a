#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Two of three child servers are killed: errors at once, and when they are back,
# everything that was acknowledged.
. "${0%/*}/quorum-fault-functions.sh"

three_images 2M
serve_image two "$tmpdir/2.raw"
serve_image three "$tmpdir/3.raw"
start_quorum q "$tmpdir/1.raw" "$(uri_of two)" "$(uri_of three)" quorum-timeout=3s
watch_events q
ok "a write" qemu_io q -c 'write -P 0xe1 0 128k' -c flush
kill_nbdkit two
kill_nbdkit three
becomes failed "the loss is noticed"
for command in 'read 0 64k' 'write 1M 64k' flush; do
    fails_within 1500 "$command fails at once" qemu_io q -c "$command"
done
restart_image two "$tmpdir/2.raw"
restart_image three "$tmpdir/3.raw"
recovers "they come back"
ok "with the data" qemu_io q -c 'read -P 0xe1 0 128k' -c 'write -P 0xe2 1M 64k' -c 'read -P 0xe2 1M 64k'
identical "the children are equal"
never_differed "nobody was called a liar"
done_testing
