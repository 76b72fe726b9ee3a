#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU 139, quorum: what is part of a quorum cannot be deleted; a node that is not,
# or no more, can, and then its image is free.
. "${0%/*}/quorum-functions.sh"

three_images 64K
start_quorum q quorum-child.node0="$tmpdir/1.raw" quorum-child.node1="$tmpdir/2.raw" \
    quorum-threshold=1 quorum-name=quorum0
watch_events q
refuses "a child" "Node node0 is in use" blockdev-del node-name=node0
refuses "the other child" "Node node1 is in use" blockdev-del node-name=node1
refuses "the quorum" "Node quorum0 is in use" blockdev-del node-name=quorum0
refuses "a node that is not there" "Failed to find node with node-name='node2'" \
    blockdev-del node-name=node2
does "a node is opened" blockdev-add node-name=node2 driver=file filename="$tmpdir/3.raw"
fails_like "its image is locked" lock timeout 20 qemu-io -f raw -c 'write 0 512' "$tmpdir/3.raw"
does "it is deleted" blockdev-del node-name=node2
ok "its image is free" timeout 20 qemu-io -f raw -c 'write 0 512' "$tmpdir/3.raw"
does "a child is removed" child-remove child=node1
ok "its image is free, too" timeout 20 qemu-io -f raw -c 'write 0 512' "$tmpdir/2.raw"

done_testing
