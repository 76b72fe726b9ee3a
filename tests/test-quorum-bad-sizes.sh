#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Children of unequal size: both sizes are named, even if they are a sector apart.
. "${0%/*}/quorum-fault-functions.sh"

three_images 1M 0x5a
for quorum_form in plugin filter; do
    for size in 512K 2M 1048064 1049088 1048577; do
        empty_image "$tmpdir/3.raw" $size
        bytes=$(numfmt --from=iec $size)
        refused "$quorum_form: 1048576 and $bytes" "1048576 bytes.*$bytes bytes|$bytes bytes.*1048576 bytes" \
            "$tmpdir"/{1,2,3}.raw
    done
    empty_image "$tmpdir/3.raw" 0
    refused "$quorum_form: an empty file" "3\.raw|0 bytes" "$tmpdir"/{1,2,3}.raw
done
empty_image "$tmpdir/3.raw" 1049088
start_nbdkit three file "$tmpdir/3.raw"
refused "a server's size" "1048576 bytes.*1049088 bytes" "$tmpdir"/{1,2}.raw "$(uri_of three)"
done_testing
