#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Every point of a log is what replaying it that far gives, byte for byte.
. "${0%/*}/logreplay-functions.sh"

# check_points LOG: all points from 0 to the last entry.
check_points()
{
    local entries point wrong=()
    take_log "$1"
    start_logreplay r
    image_size=$(timeout 20 nbdinfo --size "$(uri_of r)")
    entries=$("$clients/logdump" "$log" | wc -l)
    for ((point = 0; point <= entries; point++)); do
        replay_to "$point" "$tmpdir/expected.img"
        fetch r "$point" "$tmpdir/served.img" &&
            cmp -s "$tmpdir/expected.img" "$tmpdir/served.img" || wrong+=("$point")
    done
    stop_nbdkit r
    is "${wrong[*]}" "" "$1: points 0 to $entries"
}

for sample in synthetic/syn1 synthetic/big4k synthetic/meta qemu/g15 qemu/g16 qemu/h04 qemu/j05; do
    [ ! -e "$data/logs/$sample.log" ] || check_points "$sample"
done
check_points fs/ext4-8m-barrier
done_testing
