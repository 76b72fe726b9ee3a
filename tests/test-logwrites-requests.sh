#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# One kind of request after the other, and the entries that it becomes.
. "${0%/*}/logwrites-functions.sh"

# entries_of NAME EXPECTED COMMAND...: on a device and a log of its own.
entries_of()
{
    local name=$1 expected=$2
    shift 2
    rm -f "$log" "$tmpdir/before.img"
    head -c 1M /dev/zero | tr '\0' '\132' > "$tmpdir/disk.img"
    start_logwrites l ${parameters[@]+"${parameters[@]}"}
    requests l "$@" > "$tmpdir/requests.log" 2>&1 || diag "$(cat "$tmpdir/requests.log")"
    stop_nbdkit l
    # qemu-io flushes when it ends.
    is "$(entries)" "$expected"$'\n0+0 FLUSH' "$name"
    is_whole "$name: a replay equals the device"
}
parameters=()

entries_of "a write and a flush" $'16+8 NONE\n0+0 FLUSH' 'write 8192 4096' flush
entries_of "a write with FUA" '1+1 FUA' 'write -f 512 512'
entries_of "each flush is there" $'0+8 NONE\n0+0 FLUSH\n0+0 FLUSH\n0+0 FLUSH' \
    'write 0 4096' flush flush flush
entries_of "a flush alone" '0+0 FLUSH' flush
entries_of "a trim" '128+128 DISCARD' 'discard 64k 64k'
entries_of "a trim that is not aligned" $'0+1 NONE\n1+8 DISCARD\n9+1 NONE' 'discard 100 5000'
entries_of "a trim inside one sector" '0+1 NONE' 'discard 100 50'
entries_of "a trim across the border of two" $'0+1 NONE\n1+1 NONE' 'discard 500 50'
entries_of "a zero" '32+16 NONE' 'write -z 16384 8192'
entries_of "a zero that may unmap" '32+16 NONE' 'write -z -u 16384 8192'
entries_of "a zero with FUA" '32+16 FUA' 'write -z -f 16384 8192'
entries_of "a zero that is not aligned" $'0+1 NONE\n1+2 NONE\n3+1 NONE' 'write -z 100 1600'
entries_of "a small write" '0+1 NONE' 'write 50 100'
entries_of "a write across sectors" '0+3 NONE' 'write 500 700'

parameters=(logwrites-sector-size=4096)
entries_of "4096: a write" '1+1 NONE' 'write 4096 4096'
entries_of "4096: a sector of 512" '1+1 NONE' 'write 4608 512'
entries_of "4096: write, zero, trim inside one" $'0+1 NONE\n0+1 NONE\n0+1 NONE' \
    'write -P 1 0 4096' 'write -z 512 512' 'discard 1024 512'
entries_of "4096: a large trim" $'0+1 NONE\n1+15 DISCARD\n16+1 NONE' 'discard 512 64k'
entries_of "4096: a large zero" $'0+1 NONE\n1+15 NONE\n16+1 NONE' 'write -z 512 64k'
done_testing
