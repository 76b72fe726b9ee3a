#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU 041, cancel after ready: the new child is filled and goes away again; the
# quorum is as it was, and the new image is a copy.
. "${0%/*}/quorum-041.sh"

start_041 4M
add_repair0
event_comes "the resync is completed" 20 'QUORUM_RESYNC_COMPLETED.*"repair0"'
remove_child 3
is "$(children)" "$before" "the children are as before"
same_content "$tmpdir/img1" "$tmpdir/repair0" "repair0 is a copy"
ok "clients can write" qemu_io q -c 'write -P 0x55 1M 64k'
fails "repair0 is written no more" holds "$tmpdir/repair0" 0x55 1M 64K

done_testing
