#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Result codes are compared: unequal ones are a mismatch with QEMU's text, equal
# ones are an error like any other, and their data are not looked at.
. "${0%/*}/blkverify-functions.sh"

two_images 1M 0x21
start_faulty raw "$tmpdir/raw.raw"
start_faulty test "$tmpdir/test.raw"
below=(nbd socket="$tmpdir/test.sock")

# mode NAME [PARAMETER...]: a new verifier, without faults.
mode()
{
    set_faults test
    set_faults raw
    start_blkverify "$1" blkverify-raw="$(uri_of raw)" "${@:2}"
}

mode equal
watch_events equal
set_faults test 'read EIO' 'write ENOSPC' 'flush EIO'
set_faults raw 'read EIO' 'write ENOSPC' 'flush EIO'
fails_like "both fail to read: an error" 'Input/output error' qemu_io equal -c 'read 0 4k'
fails_like "both fail to write: that error" 'No space left' qemu_io equal -c 'write 0 4k'
fails "both fail to zero" qemu_io equal -c 'write -z 8k 4k'
set_faults test
set_faults raw
no_false_alarm "that is no mismatch"
ok "it goes on" qemu_io equal -c 'read 64k 64k'
stop_nbdkit equal

# ended NAME COMMAND LINE [FAULT-OF-TEST [FAULT-OF-RAW]]
ended()
{
    mode "$1"
    set_faults test ${4:+"$4"}
    set_faults raw ${5:+"$5"}
    fails "$1: the client gets nothing" qemu_io "$1" -c "$2"
    ends "$1" "$1" "blkverify: $3"
}
ended read-test 'read 512 1k' 'read offset=512 bytes=1024 return value mismatch -5 != 0' 'read EIO'
ended read-raw 'read 512 1k' 'read offset=512 bytes=1024 return value mismatch 0 != -5' '' 'read EIO'
ended write-raw 'write 0 4k' 'write offset=0 bytes=4096 return value mismatch 0 != -28' '' \
    'write ENOSPC'
ended write-two 'write 0 4k' 'write offset=0 bytes=4096 return value mismatch -5 != -28' \
    'write EIO' 'write ENOSPC'
ended zero 'write -z 0 4k' 'zero offset=0 bytes=4096 return value mismatch -5 != 0' 'write EIO'
done_testing
