#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU 081, blkverify mode, broken: a difference is printed and ends the process
# with status 1.
. "${0%/*}/quorum-functions.sh"

for quorum_form in plugin filter; do
    pattern_image "$tmpdir/1.raw" 10M 0x41
    pattern_image "$tmpdir/2.raw" 10M 0x42
    start_quorum "$quorum_form" "$tmpdir"/{1,2}.raw quorum-threshold=2 quorum-blkverify=true
    fails "$quorum_form: the read fails" qemu_io "$quorum_form" -c 'read 0 10M'
    ok "$quorum_form: the process ends" wait_for 5 is_gone "$(pid_of "$quorum_form")"
    wait "$(pid_of "$quorum_form")"
    is $? 1 "$quorum_form: with status 1"
    is "$(grep -x 'quorum: offset=0 .*' "$tmpdir/$quorum_form.log")" \
        "quorum: offset=0 bytes=10485760 contents mismatch at offset 0" "$quorum_form: and says why"
done

done_testing
