#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Block status is that of the device under test.
. "${0%/*}/blkverify-functions.sh"

empty_image "$tmpdir/test.raw" 1M
pattern_image "$tmpdir/raw.raw" 1M 0
overwrite "$tmpdir/test.raw" 0x41 0 64K
overwrite "$tmpdir/raw.raw" 0x41 0 64K
serve_image plain "$tmpdir/test.raw"
start_blkverify v
is "$(nbdinfo --map "$(uri_of v)")" "$(nbdinfo --map "$(uri_of plain)")" \
    "the holes of the device under test"
like "$(nbdinfo --map "$(uri_of v)")" 'hole,zero' "and it has some"
done_testing
