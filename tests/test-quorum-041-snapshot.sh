#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU 041, after a quorum snapshot: a quorum cannot be snapshot, the storage of a
# child can.  Then the child has another name, and only that one can be replaced.
. "${0%/*}/quorum-041.sh"
requires qemu-nbd qemu-img

start_041 1M
for command in blockdev-snapshot-sync blockdev-snapshot blockdev-snapshot-internal-sync; do
    refuses "$command" \
        "A snapshot of a quorum is not possible: snapshot the storage below each child" \
        "$command" device=quorum0
done
does "img1 is taken out" child-remove child=img1
timeout 20 qemu-img create -q -f qcow2 -b "$tmpdir/img1" -F raw "$tmpdir/snap1"
does "its snapshot comes in" child-add spec="[ qemu-nbd -f qcow2 $tmpdir/snap1 ]" name=snap1 \
    content-equal=true
is "$(child_value snap1 stale-bytes)" 0 "its content is known to be equal"
add_repair0
event_comes "the resync is completed" 20 'QUORUM_RESYNC_COMPLETED.*"repair0"'
refuses "img1 cannot be replaced" "Node 'quorum0' does not have child 'img1'" \
    child-remove child=img1
does "snap1 can" child-remove child=snap1
is "$(children)" "children.0=img0 children.2=img2 children.4=repair0" "repair0 is in"
stop_nbdkit q
same_content "$tmpdir/img1" "$tmpdir/repair0" "and has the content"

done_testing
