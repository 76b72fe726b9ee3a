#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU's test 071, cases 2 and 4: what was written to the device under test alone
# ends the server with status 1 when it is read.
. "${0%/*}/blkverify-functions.sh"
requires qemu-nbd qemu-img

message='blkverify: read offset=0 bytes=512 contents mismatch at offset 0'
two_images 64M
overwrite "$tmpdir/test.raw" 42 0 512
start_blkverify file
fails "the client of a file gets nothing" qemu_io file -c 'read -P 42 0 512'
ends file "a file" "$message"

qemu-img create -q -f qcow2 "$tmpdir/test.qcow2" 64M
start_qemu_nbd qcow2 -f qcow2 "$tmpdir/test.qcow2"
ok "the qcow2 image is written" qemu_io qcow2 -c 'write -P 42 0 512'
below=(nbd socket="$tmpdir/qcow2.sock")
start_blkverify image
fails "the client of the image gets nothing" qemu_io image -c 'read -P 42 0 512'
ends image "an image" "$message"
done_testing
