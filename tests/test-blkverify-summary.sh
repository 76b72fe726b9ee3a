#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# At the end a summary, also when nothing was wrong, and also in the background.
. "${0%/*}/blkverify-functions.sh"

two_images 1M
start_blkverify v
ok "some traffic" qemu_io v -c 'write -P 1 0 4k' -c 'read 0 8k' -c 'discard 64k 4k' -c flush
stop_nbdkit v
log=$(cat "$tmpdir/v.log")
like "$log" 'nbdkit: blkverify: 0 mismatches; 8192 bytes were read and compared, 0 reads were not sampled' \
    "nothing was wrong"
like "$log" 'blkverify: write: 1 requests, 1 compared, 0 not comparable, 0 mismatches; p50/p99 of the device under test [0-9]+/[0-9]+ us, of the reference [0-9]+/[0-9]+ us' \
    "counts and times of an operation"
unlike "$log" 'error' "and it is not called an error"
unlike "$log" 'reference was lost' "nothing about a reference that was always there"

printf x | dd of="$tmpdir/test.raw" bs=1 seek=700 conv=notrunc status=none
start_blkverify end
fails "a mismatch ends it" qemu_io end -c 'read 0 4k'
wait_for 10 is_gone "$(pid_of end)"
like "$(cat "$tmpdir/end.log")" 'blkverify: 1 mismatches; 4096 bytes were read' \
    "the summary comes then, too"
done_testing
