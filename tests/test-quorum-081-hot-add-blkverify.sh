#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU 081, hot add in blkverify mode: refused.
. "${0%/*}/quorum-functions.sh"

three_images 1M
start_quorum q "$tmpdir"/{1,2}.raw quorum-threshold=2 quorum-blkverify=true \
    quorum-name=drive0-quorum
watch_events q
does "the node is opened" blockdev-add node-name=drive3 driver=file filename="$tmpdir/3.raw"
refuses "it cannot be added" "Cannot add a child to a quorum in blkverify mode" \
    x-blockdev-change parent=drive0-quorum node=drive3
refuses "nor a device in one step" "Cannot add a child to a quorum in blkverify mode" \
    child-add spec="$tmpdir/3.raw"
is "$(children)" "children.0=children.0 children.1=children.1" "the children are the same"
does "the node is still there, to be closed" blockdev-del node-name=drive3

done_testing
