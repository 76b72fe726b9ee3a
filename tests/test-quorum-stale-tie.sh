#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Two children, threshold 1: when one has missed a write, each has one vote.  The
# one that missed it has none.
. "${0%/*}/quorum-fault-functions.sh"
requires_nbdkit_filter error

for failing in 0 1; do
    for i in 1 2; do pattern_image "$tmpdir/$i.raw" 1M 0x10; done
    start_nbdkit bad --filter=error file "$tmpdir/$((failing + 1)).raw" error-pwrite=EIO \
        error-pwrite-rate=100% error-file="$tmpdir/trigger"
    children=("$tmpdir"/{1,2}.raw)
    children[failing]=$(uri_of bad)
    start_quorum "q$failing" "${children[@]}" quorum-threshold=1
    watch_events "q$failing"
    does "child $failing: no copying yet" resync-pause child=children.$failing
    touch "$tmpdir/trigger"
    ok "child $failing fails a write" qemu_io "q$failing" -c 'write -P 0x11 128k 64k'
    rm "$tmpdir/trigger"
    for i in 1 2 3; do
        ok "reads return the new data" qemu_io "q$failing" -c 'read -P 0x11 128k 64k'
    done
    never_differed "the children are not compared there"
    does "now it may be copied" resync-resume child=children.$failing
    recovers "child $failing is repaired"
    same_content "$tmpdir/1.raw" "$tmpdir/2.raw" "the children are equal"
    stop_nbdkit "q$failing"
    stop_nbdkit bad
done
done_testing
