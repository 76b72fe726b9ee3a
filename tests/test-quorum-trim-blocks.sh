#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A trim gets to the children as a zero that may unmap: it reads as zeroes on all
# of them, and the blocks are given back.
. "${0%/*}/quorum-fault-functions.sh"

blocks() { stat -c %b "$1"; }
for quorum_form in plugin filter; do
    three_images 4M 0x41
    sync "$tmpdir"/{1,2,3}.raw
    start_quorum $quorum_form "$tmpdir"/{1,2,3}.raw
    watch_events $quorum_form
    before=$(blocks "$tmpdir/1.raw")
    ok "$quorum_form: a trim" qemu_io $quorum_form -c 'discard 1M 2M' -c flush
    ok "$quorum_form: it reads as zeroes" qemu_io $quorum_form -c 'read -P 0 1M 2M' \
        -c 'read -P 0x41 0 1M' -c 'read -P 0x41 3M 1M'
    for i in 1 2 3; do
        ok "$quorum_form: on child $i too" holds "$tmpdir/$i.raw" 0 1M 2M
        if [ "$(stat -f -c %T "$tmpdir")" = "ext2/ext3" ] || [ "$(stat -f -c %T "$tmpdir")" = tmpfs ]; then
            ok "$quorum_form: child $i has given back its blocks" \
                test "$(blocks "$tmpdir/$i.raw")" -le $((before - 4000))
        fi
    done
    identical "$quorum_form: the children are equal"
    stop_nbdkit $quorum_form
done
done_testing
