#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Events count the sectors that a request touches: rounded down and up to 512.
. "${0%/*}/quorum-functions.sh"

# reports OFFSET LENGTH SECTORS NAME: a read's event is about these sectors.
reports()
{
    start_quorum q "$tmpdir"/{1,2,3}.raw quorum-threshold=2
    watch_events q
    ok "$4" qemu_io q -c "read $1 $2"
    is "$(events)" "BAD children.1 read $3" "$4: $3"
    stop_nbdkit q
}

three_images 64K 0x32
overwrite "$tmpdir/2.raw" 0x33 0 64K
reports 700 600 1+2 "600 bytes at 700"
reports 0 1 0+1 "a byte"
reports 511 2 0+2 "two bytes in two sectors"
reports 512 512 1+1 "a sector"
reports 0 65536 0+128 "everything"

done_testing
