#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A report says where the first difference is, to the byte, and how many sectors
# differ.
. "${0%/*}/quorum-fault-functions.sh"

# try NAME FIRST SECTORS READ-OFFSET READ-LENGTH [OFFSET LENGTH]...: these bytes
# of child 1 are wrong.
try()
{
    local name=$1 first=$2 sectors=$3 at=$4 length=$5
    shift 5
    three_images 1M 0x31
    while [ $# -gt 0 ]; do
        overwrite "$tmpdir/2.raw" 0x32 "$1" "$2"
        shift 2
    done
    start_quorum q "$tmpdir"/{1,2,3}.raw
    watch_events q
    ok "$name: a read" qemu_io q -c "read -P 0x31 $at $length"
    is "$(events)" "BAD children.1 read $((at / 512))+$((length / 512))" "$name: is reported once"
    like "$(grep 'lost the vote' "$tmpdir/q.log")" \
        "child 'children.1'.*first difference at byte $first, $sectors sectors differ" \
        "$name: to the byte"
    is "$(child_value children.1 counters/differing-sectors)" "$sectors" "$name: and is counted"
    stop_nbdkit q
    rm "$tmpdir/q.log"
}
try "one byte" 70001 1 65536 65536 70001 1
try "the first byte" 65536 1 65536 65536 65536 1
try "the last byte" 131071 1 65536 65536 131071 1
try "two bytes of two sectors" 66047 2 65536 65536 66047 2
try "far apart" 1000 3 0 1048576 1000 1 300000 513
try "everything" 0 2048 0 1048576 0 1048576
done_testing
