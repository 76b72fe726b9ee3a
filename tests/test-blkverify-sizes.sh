#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Two sides of different sizes are refused at the start, and both are named.
. "${0%/*}/blkverify-functions.sh"

two_images 1M
truncate -s 1048064 "$tmpdir/raw.raw"
refused "a shorter reference" 'the device under test has 1048576 bytes, the reference .*raw\.raw. has 1048064 bytes'
truncate -s 2M "$tmpdir/raw.raw"
refused "a longer reference" 'has 1048576 bytes, .* has 2097152 bytes'
serve_image raw "$tmpdir/raw.raw"
refused "on a server" 'has 1048576 bytes, .* has 2097152 bytes' blkverify-raw="$(uri_of raw)"
done_testing
