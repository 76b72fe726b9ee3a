#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Every way to name a point or a state, and what is said of those that are none.
. "${0%/*}/nbdcrash-functions.sh"
use_log synthetic/syn1

image=$tmpdir/image
# state POINT: the SHA-256 of the device then.
state()
{
    rm -f "$image"
    crash replay "$log" "$image" --to "$1" > /dev/null && sha "$image"
}
end=$(state end)
is "$(state 11)" "$end" "end is the number of entries"
is "$(state mark:dm-log-writes-end)" "$end" "the last mark"
is "$(state flush:1)" "$(state 4)" "flush:1 is done with entry 3"
is "$(state fua:1)" "$(state 3)" "fua:1 is done with entry 2"
is "$(state mark:m1)" "$(state 6)" "a mark is what is before it"
is "$(state e0)" "$(state 3)" "e0 is before the first flush"
isnt "$(state 2)" "$(state 1)" "an entry makes a difference"
is "$(state 0)" "$(state mark:mkfs)" "nothing is done before the first mark"
is "$(field state replay "$log" "$image" --to fua:2)" flush:2 \
    "the state is named in its shortest form"

is "$(state e0:drop=1)" "$(state e0:keep=)" "drop and keep name the same state"
isnt "$(state e0:drop=1)" "$(state e0)" "a dropped entry is missing"
isnt "$(state e0:drop=2)" "$(state e0)" "a FUA write at the end may be in flight"
isnt "$(state e0:torn=1:0)" "$(state e0)" "a torn entry is there in part"
is "$(state e0:torn=1:0-1)" "$(state e0)" "an entry torn into all its sectors is whole"

refuses "an unknown mark, and which there are" "no mark 'nope'; this log has: mkfs, m1, m10" \
    crash replay "$log" "$image" --to mark:nope
refuses "a flush too many" "1 to 3" crash diff "$log" flush:1 flush:4
refuses "a flush 0" "1 to 3" crash diff "$log" flush:0 flush:1
refuses "a number too high" "has 11 entries" crash list "$log" --to 12
refuses "something else" "names no point" crash list "$log" --from yesterday
refuses "an epoch too many" "e0 to e3" crash replay "$log" "$image" --to e4
refuses "a durable entry cannot be dropped" "FUA" crash replay "$log" "$image" --to e1:drop=2
refuses "an entry behind the state" "not done" crash replay "$log" "$image" --to 3:drop=7
refuses "a tear without sectors" "ENTRY:SECTORS" crash replay "$log" "$image" --to e0:torn=1
refuses "a sector that the entry has not" "0 to 1" crash replay "$log" "$image" --to e0:torn=1:2

done_testing
