#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU 081, blkverify mode, good: children that agree are a device like any other.
. "${0%/*}/quorum-functions.sh"

for quorum_form in plugin filter; do
    pattern_image "$tmpdir/1.raw" 10M 0
    pattern_image "$tmpdir/2.raw" 10M 0
    start_quorum "$quorum_form" "$tmpdir"/{1,2}.raw quorum-threshold=2 quorum-blkverify=true
    ok "$quorum_form: it can be written" qemu_io "$quorum_form" -c 'write -P 0x32 0 10M'
    ok "$quorum_form: and read" qemu_io "$quorum_form" -c 'read -P 0x32 0 10M'
    ok "$quorum_form: and it ends by itself only" stop_nbdkit "$quorum_form"
done

done_testing
