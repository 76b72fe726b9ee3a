#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# x-blockdev-change refuses with QEMU's texts what QEMU refuses, and besides a
# child that does not fit.
. "${0%/*}/quorum-functions.sh"

three_images 1M 0x32
start_quorum q quorum-child.a="$tmpdir/1.raw" quorum-child.b="$tmpdir/2.raw" \
    quorum-threshold=2 quorum-name=q
watch_events q
does "a node is opened" blockdev-add node-name=n driver=file filename="$tmpdir/3.raw"

refuses "unknown parent, add" "Cannot find device='zzz' nor node-name='zzz'" \
    x-blockdev-change parent=zzz node=n
refuses "unknown parent, remove" "Cannot find device='zzz' nor node-name='zzz'" \
    x-blockdev-change parent=zzz child=children.0
refuses "no parent" "Parameter 'parent' is missing" x-blockdev-change child=children.0
refuses "both child and node" "The parameters child and node are in conflict" \
    x-blockdev-change parent=q child=children.0 node=n
refuses "neither child nor node" "Either child or node must be specified" x-blockdev-change parent=q
refuses "no such child" "Node 'q' does not have child 'children.7'" \
    x-blockdev-change parent=q child=children.7
refuses "a node name is no child name" "Node 'q' does not have child 'a'" \
    x-blockdev-change parent=q child=a
refuses "no such node" "Node 'zzz' not found" x-blockdev-change parent=q node=zzz
refuses "a node that is a child" "The node a already has a parent" x-blockdev-change parent=q node=a
refuses "a child as parent, add" "The node a does not support adding a child" \
    x-blockdev-change parent=a node=n
refuses "a child as parent, remove" "The node a does not support removing a child" \
    x-blockdev-change parent=a child=children.0
refuses "a node as parent, add" "The node n does not support adding a child" \
    x-blockdev-change parent=n node=a
refuses "a node as parent, remove" "The node n does not support removing a child" \
    x-blockdev-change parent=n child=children.0
refuses "itself" "Making 'q' a children.2 child of 'q' would create a cycle" \
    x-blockdev-change parent=q node=q
refuses "fewer than the threshold" "The number of children cannot be lower than the vote threshold 2" \
    x-blockdev-change parent=q child=children.1

empty_image "$tmpdir/long.raw" 2M
does "a node of another size" blockdev-add node-name=long driver=file filename="$tmpdir/long.raw"
refuses "is not added" \
    "'$tmpdir/long.raw' has 2097152 bytes, and the quorum 'q' has 1048576 bytes: a child must have \
the size of the others" x-blockdev-change parent=q node=long
start_nbdkit constant -r file "$tmpdir/long.raw"
fails "a read-only child of a quorum that is written" control child-add spec="$(uri_of constant)"

is "$(children)" "children.0=a children.1=b" "after all this the children are the same"
does "and the node can be added" x-blockdev-change parent=q node=n
refuses "but only once" "The node n already has a parent" x-blockdev-change parent=q node=n

done_testing
