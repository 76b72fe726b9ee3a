#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A reference that cannot be written is refused if the device under test can be;
# with blkverify-read-only=true both are only read.
. "${0%/*}/blkverify-functions.sh"

two_images 1M 0x11
nbdkit_options=(-r)
serve_image raw "$tmpdir/raw.raw" -r
nbdkit_options=()
refused "a read-only server" 'exported read-only' blkverify-raw="$(uri_of raw)"

start_blkverify v blkverify-raw="$(uri_of raw)" blkverify-read-only=true
ok "it can be read" qemu_io v -r -c 'read -P 0x11 0 1M'
fails "and not be written" qemu_io v -c 'write 0 4k'
stop_nbdkit v

chmod 444 "$tmpdir/test.raw" "$tmpdir/raw.raw"
nbdkit_options=(-r)
start_blkverify both blkverify-read-only=true
watch_events both
ok "two files, read-only" qemu_io both -r -c 'read -P 0x11 0 1M'
is "$(operation read compared)" 1 "and compared"
done_testing
