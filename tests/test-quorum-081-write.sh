#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU 081, writing: what is written to the quorum is on every child.
. "${0%/*}/quorum-functions.sh"

for quorum_form in plugin filter; do
    three_images 10M
    start_quorum "$quorum_form" "$tmpdir"/{1,2,3}.raw quorum-threshold=2
    ok "$quorum_form: 10 MiB are written" qemu_io "$quorum_form" -c 'write -P 0x32 0 10M'
    stop_nbdkit "$quorum_form"
    for i in 1 2 3; do
        ok "$quorum_form: $i.raw holds them" holds "$tmpdir/$i.raw" 0x32 0 10M
    done
done

done_testing
