#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU's test 071, cases 1 and 3: what is equal, and what is written through the
# filter, can be read.  The device under test is a file, or a qcow2 image.
. "${0%/*}/blkverify-functions.sh"
requires qemu-nbd qemu-img

# judge NAME
judge()
{
    start_blkverify "$1"
    watch_events "$1"
    ok "$1: read" qemu_io "$1" -c 'read -P 0 0 512'
    ok "$1: write and read" qemu_io "$1" -c 'write -P 42 0x38000 512' -c 'read -P 42 0x38000 512'
    ok "$1: it still serves" qemu_io "$1" -c 'read -P 42 0x38000 512'
    is "$(operation read compared)" 3 "$1: the reads were compared"
    stop_nbdkit "$1"
    is "$?" 0 "$1: it ends well"
    ok "$1: the reference was written" holds "$tmpdir/raw.raw" 42 229376 512
}

two_images 64M
judge file

two_images 64M
qemu-img create -q -f qcow2 "$tmpdir/test.qcow2" 64M
below=(nbd socket="$tmpdir/qcow2.sock")
start_qemu_nbd qcow2 -f qcow2 "$tmpdir/test.qcow2"
judge image
done_testing
