#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A command that adds what the quorum has already is told which child or node it is,
# in both forms, not that another process has it.
. "${0%/*}/quorum-functions.sh"

three_images 64K
ln -s 2.raw "$tmpdir/link.raw"
for quorum_form in plugin filter; do
    start_quorum q "$tmpdir/1.raw" quorum-child.b="$tmpdir/2.raw"
    watch_events q
    refuses "$quorum_form: child-add of a child" \
        "'$tmpdir/link.raw' is the same storage as child 'b' (children.1) of this quorum" \
        child-add spec="$tmpdir/link.raw"
    refuses "$quorum_form: blockdev-add of the first child" \
        "'$tmpdir/1.raw' is the same storage as child 'children.0' (children.0) of this quorum" \
        blockdev-add node-name=n spec="$tmpdir/1.raw"
    does "$quorum_form: a node" blockdev-add node-name=n spec="$tmpdir/3.raw"
    refuses "$quorum_form: child-add of a node" "'$tmpdir/3.raw' is the same storage as node 'n'" \
        child-add spec="$tmpdir/3.raw"
    does "$quorum_form: it becomes a child" x-blockdev-change parent=quorum node=n
    refuses "$quorum_form: and again" \
        "'$tmpdir/3.raw' is the same storage as child 'n' (children.2) of this quorum" \
        child-add spec="$tmpdir/3.raw"
    stop_nbdkit q
done

done_testing
