#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A command that adds what the quorum has already is told which child or node it is,
# in both forms, not that another process has it.
. "${0%/*}/quorum-functions.sh"

three_images 64K
ln -s 2.raw "$tmpdir/link.raw"
ln "$tmpdir/2.raw" "$tmpdir/hard.raw"
mkdir "$tmpdir/folder"
for quorum_form in plugin filter; do
    start_quorum q "$tmpdir/1.raw" quorum-child.b="$tmpdir/2.raw"
    watch_events q
    refuses "$quorum_form: child-add of a child" \
        "'$tmpdir/link.raw' is the same storage as child 'b' (children.1) of this quorum" \
        child-add spec="$tmpdir/link.raw"
    for name in hard.raw folder/../2.raw; do
        refuses "$quorum_form: child-add of it by another name" \
            "'$tmpdir/$name' is the same storage as child 'b' (children.1) of this quorum" \
            child-add spec="$tmpdir/$name"
    done
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

# A server that was started anew has another socket in the same place.
start_nbdkit two file "$tmpdir/2.raw"
start_quorum q "$tmpdir/1.raw" quorum-child.b="$(uri_of two)"
watch_events q
kill_nbdkit two
mv "$tmpdir/two.sock" "$tmpdir/old.sock"
start_nbdkit two file "$tmpdir/2.raw"
ln -s two.sock "$tmpdir/link.sock"
for name in two link; do
    uri="nbd+unix:///?socket=$tmpdir/$name.sock"
    refuses "child-add of a server, by $name.sock" \
        "'$uri' is the same storage as child 'b' (children.1) of this quorum" child-add spec="$uri"
done
done_testing
