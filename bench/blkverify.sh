#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# What verifying costs: a file served by nbdkit, the same with the blkverify
# filter that compares nothing (blkverify-sample=0), with the filter that compares
# all, and QEMU's blkverify, each with a reference of its own.
#
#     bench/blkverify.sh [--rounds N] [--seconds S] [--size SIZE] [CASE...]
#
# Files are on tmpfs.  The contenders take turns within a round; what is printed
# is the median of each, and the medians of the rounds' ratios.

set -u -o pipefail
# shellcheck source=bench/functions.sh
. "${BASH_SOURCE[0]%/*}/functions.sh"
filter=${BLKVERIFY_FILTER:-$build/filters/blkverify/.libs/nbdkit-blkverify-filter.so}

rounds=5 seconds=2 size=256M cases=()
take_options '[--rounds N] [--seconds S] [--size SIZE] [CASE...]' "$@"
need_files "$filter"
need_programs nbdkit fio

dir=$(mktemp -d /dev/shm/bench.XXXXXX) || exit 1
servers=()
stop()
{
    [ ${#servers[@]} -eq 0 ] || { kill "${servers[@]}"; wait "${servers[@]}"; } 2> /dev/null
    servers=()
}
trap 'stop; rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM

contenders=(plain unsampled filter)
if command -v qemu-storage-daemon > /dev/null; then contenders+=(qemu); fi

# Not sparse, and the same on both sides of each.
truncate -s "$size" "$dir/plain"
head -c "$(stat -c %s "$dir/plain")" < /dev/urandom > "$dir/content"
for contender in "${contenders[@]}"; do
    cp "$dir/content" "$dir/$contender"
    [ "$contender" = plain ] || cp "$dir/content" "$dir/$contender.raw"
done
rm "$dir/content"

# serve CONTENDER: on $dir/CONTENDER.sock, until the end.
serve()
{
    local socket=$dir/$1.sock
    local verify=(nbdkit -f -U "$socket" --filter="$filter" file "$dir/$1" blkverify-raw="$dir/$1.raw")
    case $1 in
        plain) nbdkit -f -U "$socket" file "$dir/$1" & ;;
        unsampled) "${verify[@]}" blkverify-on-mismatch=report blkverify-sample=0 2> /dev/null & ;;
        filter) "${verify[@]}" 2> /dev/null & ;;
        qemu)
            qemu-storage-daemon \
                --blockdev driver=file,node-name=test,filename="$dir/$1" \
                --blockdev driver=file,node-name=raw,filename="$dir/$1.raw" \
                --blockdev driver=blkverify,node-name=top,test=test,raw=raw \
                --nbd-server addr.type=unix,addr.path="$socket" \
                --export type=nbd,id=e,node-name=top,name=,writable=on &
            ;;
    esac
    servers+=($!)
    wait_until "$1 did not start" test -S "$socket"
}

# measure CONTENDER RW BS DEPTH: IOPS.
measure()
{
    fio_iops "nbd+unix:///?socket=$dir/$1.sock" "$2" "$3" "$4" --size="$size" --time_based \
        --runtime="$seconds"
}

# ratio A B: the median of the rounds' A / B, or nothing without B.
ratio()
{
    [ -e "$dir/$2.values" ] || return
    paste "$dir/$1.values" "$dir/$2.values" | awk '$2 > 0 { print $1 / $2 }' | median
}

# compare CASE RW BS DEPTH
compare()
{
    local name=$1 round contender
    shift
    wanted "$name" || return 0
    rm -f "$dir"/*.values
    for ((round = 0; round < rounds; round++)); do
        for contender in "${contenders[@]}"; do
            measure "$contender" "$@" >> "$dir/$contender.values"
        done
    done
    printf '%-28s' "$name"
    for contender in "${contenders[@]}"; do
        printf ' %9d' "$(median < "$dir/$contender.values")"
    done
    printf '  unsampled: %.2fx plain; filter: %.2fx plain' "$(ratio unsampled plain)" \
        "$(ratio filter plain)"
    [ ! -e "$dir/qemu.values" ] || printf ', %.1fx QEMU' "$(ratio filter qemu)"
    echo
}

for contender in "${contenders[@]}"; do serve "$contender"; done
echo "$rounds rounds of $seconds s, $size, IOPS; load before: $(load)"
printf '%-28s' case
printf ' %9s' "${contenders[@]}"
echo
compare '4k random read, depth 16' randread 4k 16
compare '4k random read, depth 1' randread 4k 1
compare '256k read, depth 8' read 256k 8
compare '4k random write, depth 16' randwrite 4k 16
compare '256k write, depth 8' write 256k 8
