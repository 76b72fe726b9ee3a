#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The requests whose log by QEMU is known to the byte give the same entries, but
# for the deliberate differences: marks at both ends, every flush, FUA as FUA.
. "${0%/*}/logwrites-functions.sh"

example=('write -P 0x11 0 1024' 'write -P 0x22 100 50' 'write -z 4096 4096'
    'discard 8192 4096' flush flush 'write -P 0x33 16384 512' 'write -f -P 0x44 20480 512')

for ss in 512 4096; do
    rm -f "$log" "$tmpdir/before.img"
    head -c 1M /dev/zero | tr '\0' '\132' > "$tmpdir/disk.img"
    start_logwrites "l$ss" logwrites-sector-size=$ss
    ok "ss $ss: the requests succeed" requests "l$ss" "${example[@]}"
    stop_nbdkit "l$ss"
    if [ $ss = 512 ]; then
        expected=$(printf '%s\n' '0+2 NONE' '0+1 NONE' '8+8 NONE' '16+8 DISCARD' '0+0 FLUSH' \
            '0+0 FLUSH' '32+1 NONE' '40+1 FUA' '0+0 FLUSH')
        positions='512 1024 2560 3584 8192 8704 9216 9728 10752 11776 12288'
    else
        expected=$(printf '%s\n' '0+1 NONE' '0+1 NONE' '1+1 NONE' '2+1 DISCARD' '0+0 FLUSH' \
            '0+0 FLUSH' '4+1 NONE' '5+1 FUA' '0+0 FLUSH')
        positions='4096 8192 16384 24576 32768 36864 40960 45056 53248 61440 65536'
    fi
    is "$(entries)" "$expected" "ss $ss: the entries"
    is "$("$clients/logdump" "$log" | cut -d' ' -f2 | paste -s -d' ')" "$positions" \
        "ss $ss: each one stands where it has to"
    is "$(stat -c %s "$log")" $((${positions##* } + ss)) "ss $ss: the log ends behind the last one"
    is "$(od -A n -t x1 -N 28 "$log" | tr -d ' \n')" \
        "$(printf '7268737766736a0001000000000000000b00000000000000%s' \
            "$([ $ss = 512 ] && echo 00020000 || echo 00100000)")" "ss $ss: the superblock"
    is "$(od -A n -v -t x8 -j $((ss * 2)) -N 40 "$log" | tr -s ' \n' ' ')" \
        "$(printf ' %016x' 0 $(((1024 + ss - 1) / ss)) 0 0 0) " "ss $ss: the first header, to byte 40"
    is "$(od -A n -v -t x1 -j $((ss * 3)) -N 512 "$log" | tr -d ' \n')" \
        "$(printf '11%.0s' {1..512})" "ss $ss: its body"
    is_whole "ss $ss: a replay equals the device"
done
done_testing
