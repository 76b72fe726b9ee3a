#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Many overlapping requests of all kinds over several connections: the whole log
# is the device, byte for byte.
. "${0%/*}/logwrites-functions.sh"

# judge NAME PARAMETER...
judge()
{
    local name=$1
    shift
    rm -f "$log" "$tmpdir/before.img"
    empty_image "$tmpdir/disk.img" 2M
    start_logwrites "$name" "$@"
    ok "$name: many requests" timeout 120 "$clients/stress" --connections=4 --depth=8 \
        --size=256K --offset=512K --read-percent=0 --requests=6000 "$(uri_of "$name")"
    diag "$(tail -n 1 "$tmpdir/.ok.log")"
    stop_nbdkit "$name"
    is_whole "$name: a replay equals the device"
    is "$("$clients/logdump" "$log" | wc -l)" "$(od -A n -t u8 -j 16 -N 8 "$log" | tr -d ' ')" \
        "$name: all entries are counted"
}

judge plain
judge sectors-of-4096 logwrites-sector-size=4096
judge sectors-of-64k logwrites-sector-size=64K
judge often logwrites-super-update-interval=3
judge bare logwrites-ext=false
below=(--filter=noparallel file "$tmpdir/disk.img" serialize=requests)
judge serial
below=(--filter=delay file "$tmpdir/disk.img" rdelay=1ms wdelay=1ms)
judge slow logwrites-sector-size=4096
done_testing
