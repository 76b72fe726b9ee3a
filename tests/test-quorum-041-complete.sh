#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU 041, complete: a child is replaced by a new one while clients work; the new
# one ends up with the content of the quorum.
. "${0%/*}/quorum-041.sh"

start_041 4M
add_repair0
ok "clients write meanwhile" qemu_io q -c 'write -P 0x55 1M 64k'
event_comes "the resync is completed" 20 'QUORUM_RESYNC_COMPLETED.*"repair0"'
remove_child 1
is "$(children)" "children.0=img0 children.2=img2 children.3=repair0" "repair0 is in, img1 is out"
is "$(child_value repair0 stale-bytes)" 0 "repair0 is believed"
ok "clients write" qemu_io q -c 'write -P 0x66 2M 64k'
ok "and read" qemu_io q -c 'read -P 0x55 1M 64k' -c 'read -P 0x66 2M 64k'
stop_nbdkit q
same_content "$tmpdir/img0" "$tmpdir/repair0" "repair0 is equal to img0"
ok "img1 has not been written since" holds "$tmpdir/img1" 0x55 1M 64K
isnt "$(sha256sum < "$tmpdir/img1")" "$(sha256sum < "$tmpdir/img0")" "it lacks the last write"

done_testing
