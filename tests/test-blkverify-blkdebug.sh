#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Errors that QEMU's blkdebug injects into the reference, or into both.  (Into
# writes: qemu-nbd closes the connection when a read fails.)
. "${0%/*}/blkverify-functions.sh"
requires qemu-nbd

two_images 1M 0x12

# blkdebug NAME IMAGE ERRNO: a server whose writes of sector 8 fail.
blkdebug()
{
    local error=file.inject-error.0
    start_qemu_nbd "$1" --image-opts \
        "driver=raw,file.driver=blkdebug,file.image.driver=file,file.image.filename=$2,$error.event=none,$error.iotype=write,$error.errno=$3,$error.sector=8,$error.once=off"
}
blkdebug raw "$tmpdir/raw.raw" 28
start_blkverify one blkverify-raw="$(uri_of raw)"
ok "elsewhere all is well" qemu_io one -c 'write -P 0x13 64k 64k' -c 'read -P 0x13 64k 64k'
fails "there the server ends" qemu_io one -c 'write 4k 4k'
ends one "one" 'blkverify: write offset=4096 bytes=4096 return value mismatch 0 != -28'

blkdebug test "$tmpdir/test.raw" 28
below=(nbd socket="$tmpdir/test.sock")
start_blkverify both blkverify-raw="$(uri_of raw)"
watch_events both
fails_like "both fail" 'No space left' qemu_io both -c 'write 4k 4k'
ok "it goes on" qemu_io both -c 'read -P 0x13 64k 64k'
is "$(mismatches)" 0 "equal errors are no mismatch"
stop_nbdkit both
end_process "$(pid_of test)"

blkdebug test "$tmpdir/test.raw" 5
start_blkverify two blkverify-raw="$(uri_of raw)"
fails "unequal errors" qemu_io two -c 'write 4k 4k'
ends two "unequal errors" 'blkverify: write offset=4096 bytes=4096 return value mismatch -5 != -28'
done_testing
