#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A device whose size is no multiple of the log's sector: what is behind its end
# is zeroes in the log, and the device keeps its size.
. "${0%/*}/logwrites-functions.sh"

for ss in 512 4096; do
    rm -f "$log" "$tmpdir/before.img"
    head -c 1000100 /dev/urandom > "$tmpdir/disk.img"
    start_logwrites "l$ss" logwrites-sector-size=$ss
    is "$(timeout 20 nbdinfo --size "$(uri_of "l$ss")")" 1000100 "ss $ss: the size is that of the device"
    ok "ss $ss: its last bytes can be changed in all ways" requests "l$ss" 'write -P 1 1000000 100' \
        'write -P 2 1000090 10' 'discard 999000 1100' 'write -P 3 999000 1100' \
        'write -z 1000099 1' 'write -P 4 998000 2100' 'write -z 900000 100100'
    stop_nbdkit "l$ss"
    is "$(stat -c %s "$tmpdir/disk.img")" 1000100 "ss $ss: the device keeps its size"
    is_whole "ss $ss: a replay equals the device"
    # The whole last sector is in the log, zeroes behind the end.
    last=$((1000100 / ss))
    position=$("$clients/logdump" "$log" | awk -v s="$last+1" '$3 == s { print $2; exit }')
    is "$(od -A n -v -t x1 -j $((position + ss + 1000100 % ss)) -N $((ss - 1000100 % ss)) "$log" |
        tr -d ' 0\n')" "" "ss $ss: behind the end are zeroes"
done
done_testing
