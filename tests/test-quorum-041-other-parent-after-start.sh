#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU 041, other parents after the start: nobody else gets to write to a child
# while its resync runs, and it cannot be removed before that is cancelled.
. "${0%/*}/quorum-041.sh"
requires qemu-nbd

start_041 4M quorum-resync-rate=1M
add_repair0
fails_like "qemu-io does not get the image" 'lock' \
    timeout 20 qemu-io -f raw -c 'write 0 64k' "$tmpdir/repair0"
refuses "it cannot be removed while its resync runs" \
    "Child 'children.3' cannot be removed while its resync runs: wait for the end of the resync, or \
cancel it with resync-cancel" x-blockdev-change parent=quorum0 child=children.3
refuses "by its node name neither" \
    "Child 'repair0' cannot be removed while its resync runs: wait for the end of the resync, or \
cancel it with resync-cancel" child-remove child=repair0
does "others can: there are three without it" child-remove child=img1
is "$(children)" "children.0=img0 children.2=img2 children.3=repair0" "img1 is out"
event_comes "the resync is completed" 20 'QUORUM_RESYNC_COMPLETED.*"repair0"'
stop_nbdkit q
same_content "$tmpdir/img1" "$tmpdir/repair0" "repair0 has the content"

done_testing
