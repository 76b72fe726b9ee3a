#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Sparse children: what is a hole on all of them is one for clients, so copying
# a quorum keeps it sparse, and what is data on any is data.
. "${0%/*}/quorum-fault-functions.sh"
requires qemu-img nbdcopy

for i in 1 2 3; do
    empty_image "$tmpdir/$i.raw" 64M
    overwrite "$tmpdir/$i.raw" 0x61 8M 64K
done
# Zeroes that are written out on one child alone.
dd if=/dev/zero of="$tmpdir/2.raw" bs=64K seek=512 count=1 conv=notrunc status=none
for quorum_form in plugin filter; do
    start_quorum $quorum_form "$tmpdir"/{1,2,3}.raw
    watch_events $quorum_form
    map=$(timeout 60 qemu-img map --output=json -f raw "$(uri_of $quorum_form)" | tr -d ' \n')
    like "$map" '"start":8388608,"length":65536,[^}]*"zero":false,"data":true' \
        "$quorum_form: data are data"
    like "$map" '"start":0,"length":8388608,[^}]*"zero":true,"data":false' \
        "$quorum_form: a hole is a hole"
    rm -f "$tmpdir/copy"
    ok "$quorum_form: it can be copied" timeout 60 nbdcopy "$(uri_of $quorum_form)" "$tmpdir/copy"
    same_content "$tmpdir/copy" "$tmpdir/1.raw" "$quorum_form: the copy is right"
    ok "$quorum_form: and sparse" test "$(stat -c %b "$tmpdir/copy")" -lt 4096
    never_differed "$quorum_form: nobody was called a liar"
    stop_nbdkit $quorum_form
done

# A child that hides data where others have some does not get through with it.
empty_image "$tmpdir/3.raw" 64M
start_quorum q "$tmpdir"/{1,2,3}.raw
watch_events q
rm -f "$tmpdir/copy"
ok "a child without data: copied" timeout 60 nbdcopy "$(uri_of q)" "$tmpdir/copy"
same_content "$tmpdir/copy" "$tmpdir/1.raw" "a child without data: the copy is right"
done_testing
