#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU 081, rewrite-corrupted: reading heals the child that is wrong.
. "${0%/*}/quorum-functions.sh"

for quorum_form in plugin filter; do
    three_images 10M 0x32
    overwrite "$tmpdir/2.raw" 0x42 0 10M
    start_quorum "$quorum_form" "$tmpdir"/{1,2,3}.raw quorum-threshold=2 \
        quorum-rewrite-corrupted=true
    ok "$quorum_form: the data are right" qemu_io "$quorum_form" -c 'read -P 0x32 0 10M'
    ok "$quorum_form: the wrong child holds them now" holds "$tmpdir/2.raw" 0x32 0 10M
    stop_nbdkit "$quorum_form"
done

done_testing
