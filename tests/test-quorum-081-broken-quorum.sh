#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU 081, broken quorum: three children, three contents, no answer.
. "${0%/*}/quorum-functions.sh"

three_images 10M 0x32
overwrite "$tmpdir/1.raw" 0x41 0 10M
overwrite "$tmpdir/2.raw" 0x42 0 10M
start_quorum q "$tmpdir"/{1,2,3}.raw quorum-threshold=2
watch_events q
fails_like "the read fails" 'read failed: Input/output error' qemu_io q -c 'read -P 0x32 0 10M'
is "$(events)" "FAILURE quorum 0+20480" "nobody is called bad: who could say"

done_testing
