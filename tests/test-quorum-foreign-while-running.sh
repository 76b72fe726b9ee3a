#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# While the server runs another disk comes in the place of one: another file at its path, and
# another image behind its server's address.
. "${0%/*}/quorum-foreign-functions.sh"

for kind in path server; do
    three_images 4M
    third=$tmpdir/3.raw
    if [ "$kind" = server ]; then
        start_nbdkit n3 file "$tmpdir/3.raw"
        third=$(uri_of n3)
    fi
    start_quorum q quorum-child.a="$tmpdir/1.raw" quorum-child.b="$tmpdir/2.raw" \
        quorum-child.c="$third" "$memory" quorum-rewrite-corrupted=true
    watch_events q
    fills "$kind: it is written" 7
    pattern_image "$tmpdir/other.raw" 4M 99
    if [ "$kind" = server ]; then
        kill_nbdkit n3
        start_nbdkit n3 file "$tmpdir/other.raw"
        there=$tmpdir/other.raw
    else
        mv "$tmpdir/other.raw" "$tmpdir/3.raw"
        there=$tmpdir/3.raw
    fi
    is_foreign "$kind: another disk is foreign" c
    is_left_alone "$kind: it is not touched" "$there"
    ok "$kind: the others are read" qemu_io q -c 'read -P 7 1M 3M'
    fails_like "$kind: there is nothing to wait for" "foreign" \
        "$nbdctl" "$(control_of q)" wait-resync
    does "$kind: it is accepted" child-accept child=c
    recovers "$kind: and filled"
    qemu_io q -c flush > /dev/null
    ok "$kind: with all there is" cmp "$tmpdir/1.raw" "$there"
    is "$(grep -c "child 'c'.*: foreign: " "$tmpdir/q.log")" 1 "$kind: one line has said so"
    stop_nbdkit q
    [ "$kind" != server ] || stop_nbdkit n3
    rm -f "$tmpdir/q.memory" "$tmpdir/q.log"
done
done_testing
