#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# States of a crash: writes after the last flush are there, missing, or there in
# part, as the name of the export says.
. "${0%/*}/logreplay-functions.sh"

empty_image "$tmpdir/disk.img" 64k
start_logwrites l logwrites-mark-offset=60k
ok "the recording" requests l 'write -P 1 0 16k' flush 'write -P 2 0 4k' 'write -P 3 4k 4k' \
    'write -P 4 8k 4k -f' 'write -P 5 2k 4k'
stop_nbdkit l
"$clients/logdump" "$log" > "$tmpdir/entries.txt"

# number RANGE: of the last entry that writes there.
number() { sed -n "s/^\([0-9]*\) [0-9]* $1 .*/\1/p" "$tmpdir/entries.txt" | tail -n 1; }
a=$(number 0+8) b=$(number 8+8) c=$(number 16+8) d=$(number 4+8)
start_logreplay r

# holds STATE BYTES: one for each KiB from 0.
holds()
{
    local at=0 byte commands=()
    for byte in $(fold -w 1 <<< "$2"); do
        commands+=("read -P $byte ${at}k 1k")
        at=$((at + 1))
    done
    ok "$1: $2" state_io r "$1" "${commands[@]}"
}
holds e1 2255553344441111
holds "e1:drop=$a" 1155553344441111
holds "e1:drop=$a,$b" 1155551144441111
holds "e1:drop=$d" 2222333344441111
holds e1:keep= 1111111144441111
holds "e1:keep=$d" 1155551144441111
holds "$d:drop=$a" 1111333344441111
holds "e1:torn=$a:0-1" 2155553344441111

holds "e1:drop=$d:torn=$a:2-3+6-7" 1212333344441111
holds "e1:keep=$b:torn=$a:0-1" 2111333344441111

# refuses STATE REGEX
refuses()
{
    fails "$1 is refused" state_io r "$1" 'read 0 4k'
    like "$(connection_log r)" "$2" "and the reason is in the log"
}
refuses "e1:drop=$c" "entry $c cannot be missing: it is FUA"
refuses "flush:1:drop=1" "entry 1 cannot be missing: a flush after it is done"
refuses "e1:torn=$a:9" "'9' are no sectors of entry $a, which has 0 to 7"
done_testing
