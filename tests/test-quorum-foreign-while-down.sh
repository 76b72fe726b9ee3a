#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# While no server runs another disk comes in the place of one, behind a path, a server, or
# a command: it is foreign, over any number of restarts, until somebody accepts it.
. "${0%/*}/quorum-foreign-functions.sh"

for kind in path server command; do
    three_images 4M
    case $kind in
        path) third=$tmpdir/3.raw ;;
        server) start_nbdkit n3 file "$tmpdir/3.raw" && third=$(uri_of n3) ;;
        command) third="[ nbdkit -f file $tmpdir/3.raw ]" ;;
    esac
    children=(quorum-child.a="$tmpdir/1.raw" quorum-child.b="$tmpdir/2.raw"
        quorum-child.c="$third" "$memory")
    start_quorum q "${children[@]}"
    watch_events q
    fills "$kind: it is written" 7
    kill_nbdkit q
    [ "$kind" != server ] || kill_nbdkit n3
    empty_image "$tmpdir/3.raw" 4M
    [ "$kind" != server ] || start_nbdkit n3 file "$tmpdir/3.raw"

    rm "$tmpdir/q.log"
    start_quorum q "${children[@]}"
    watch_events q
    is_foreign "$kind: an empty disk is foreign" c
    is "$(grep -c "child 'c'.*: foreign: " "$tmpdir/q.log")" 1 "$kind: one line says so"
    ok "$kind: the others are read" qemu_io q -c 'read -P 7 0 4M'
    is_left_alone "$kind: it is not touched" "$tmpdir/3.raw"
    refuses "$kind: it cannot be called right" \
        "Child 'c' is foreign ($(why_foreign c)): child-accept child=c has it filled" \
        assume-clean child=c
    kill_nbdkit q
    start_quorum q "${children[@]}"
    watch_events q
    is_foreign "$kind: and so it is after a restart" c
    does "$kind: it is accepted" child-accept child=c
    recovers "$kind: and filled"
    qemu_io q -c flush > /dev/null
    stop_nbdkit q
    ok "$kind: with all there is" cmp "$tmpdir/1.raw" "$tmpdir/3.raw"
    start_quorum q "${children[@]}"
    watch_events q
    recovers "$kind: from then on it belongs to the set"
    stop_nbdkit q
    [ "$kind" != server ] || stop_nbdkit n3
    rm -f "$tmpdir/q.memory"
done
done_testing
