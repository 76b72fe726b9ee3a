#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The device under test as its own reference is refused: it would always agree.
. "${0%/*}/blkverify-functions.sh"

two_images 1M
ln -s test.raw "$tmpdir/link"
ln "$tmpdir/test.raw" "$tmpdir/hard"
for same in test.raw link hard; do
    refused "the file itself, as $same" 'this is the device under test itself' \
        blkverify-raw="$tmpdir/$same"
done
serve_image server "$tmpdir/test.raw"
below=(nbd socket="$tmpdir/server.sock")
refused "the same server" 'this is the device under test itself' \
    blkverify-raw="$(uri_of server)"
below=(file "$tmpdir/test.raw")
start_blkverify v
ok "a copy is another one" qemu_io v -c 'read 0 1M'
done_testing
