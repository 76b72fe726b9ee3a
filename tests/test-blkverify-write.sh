#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Writes, zeroes, trims and flushes go to both sides; zero-writes work, also long
# ones, also with FUA.
. "${0%/*}/blkverify-functions.sh"

empty_image "$tmpdir/test.raw" 256M
cp "$tmpdir/test.raw" "$tmpdir/raw.raw"
start_blkverify v
watch_events v
ok "a write" qemu_io v -c 'write -P 0x41 0 1M'
ok "a write with FUA" qemu_io v -c 'write -f -P 0x42 1M 64k'
ok "the references hold it" holds "$tmpdir/raw.raw" 0x42 1M 64K
ok "an unaligned write" qemu_io v -c 'write -P 0x43 1000001 777'
ok "zeroes" qemu_io v -c 'write -z 4k 8k'
ok "zeroes with FUA, unmapped" qemu_io v -c 'write -z -f -u 16k 8k'
ok "a discard" qemu_io v -c 'discard 32k 32k'
ok "many zeroes" qemu_io v -c 'write -P 0x44 2M 64k' -c 'write -P 0x44 200M 64k' \
    -c 'write -z 2M 253M'
ok "a flush" qemu_io v -c flush
ok "all of it is equal" qemu_io v -c 'read 0 64M' -c 'read 64M 64M' -c 'read 128M 64M' \
    -c 'read 192M 64M'
no_false_alarm "no difference was found"
is "$(operation write requests) $(operation write compared)" "5 5" "all writes were done on both"
for op in zero trim flush; do
    isnt "$(operation "$op" compared)" 0 "$op: done on both"
done
is "$(operation zero test-errors)$(operation zero reference-errors)" 00 "no errors"
stop_nbdkit v
ok "byte 2M is zero" holds "$tmpdir/raw.raw" 0 2M 64K
ok "byte 32K is zero" holds "$tmpdir/raw.raw" 0 32K 32K
images_equal "the images are equal"
done_testing
