#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What a failed write left is not compared, until both sides have been written
# there again; all else is.
. "${0%/*}/blkverify-functions.sh"

two_images 1M 0x10
start_faulty raw "$tmpdir/raw.raw"
start_blkverify v blkverify-raw="$(uri_of raw)" blkverify-on-mismatch=report
watch_events v
set_faults raw 'write EIO'
ok "a write that the reference fails" qemu_io v -c 'write -P 0x20 64k 4k'
set_faults raw
is "$(mismatches)" 1 "it is a mismatch"
is "$(status reference/untrusted-bytes)" 4096 "4 KiB are not trusted"
ok "they can be read" qemu_io v -c 'read -P 0x20 64k 4k'
is "$(mismatches)" 1 "without a new mismatch"
is "$(operation read not-comparable)" 1 "because they were not compared"

overwrite "$tmpdir/raw.raw" 0x99 68K 1
ok "a read that is trusted in part" qemu_io v -c 'read 60k 16k'
is "$(mismatches)" 2 "a difference beside it is found"
overwrite "$tmpdir/raw.raw" 0x10 68K 1

ok "half of it is written again" qemu_io v -c 'write -P 0x30 64k 2k'
is "$(status reference/untrusted-bytes)" 2048 "the other half is left"
ok "and the rest, as zeroes" qemu_io v -c 'write -z 66k 2k'
is "$(status reference/untrusted-bytes)" 0 "all is trusted"
ok "and compared" qemu_io v -c 'read -P 0x30 64k 2k' -c 'read -P 0 66k 2k'
is "$(mismatches)" 2 "no new mismatch"
overwrite "$tmpdir/raw.raw" 0x99 65K 1
ok "it really is compared" qemu_io v -c 'read -P 0x30 64k 2k'
is "$(mismatches)" 3 "a difference there is found again"
done_testing
