#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# What recording costs: a file served by nbdkit, the same with the logwrites
# filter, and QEMU's storage daemon without and with its blklogwrites.
#
#     bench/logwrites.sh [--rounds N] [--size SIZE] [--directory DIR] [CASE...]
#
# Files are in DIR (/dev/shm).  The contenders take turns within a round; what
# is printed is the median of each, and the median of the rounds' ratios.  Each
# run writes SIZE (256M) and begins a log of its own.

set -u -o pipefail
# shellcheck source=bench/functions.sh
. "${BASH_SOURCE[0]%/*}/functions.sh"
filter=${LOGWRITES_FILTER:-$build/filters/logwrites/.libs/nbdkit-logwrites-filter.so}

rounds=5 size=256M directory=/dev/shm cases=()
take_options '[--rounds N] [--size SIZE] [--directory DIR] [CASE...]' "$@"
need_files "$filter"
need_programs nbdkit fio

dir=$(mktemp -d "$directory/bench.XXXXXX") || exit 1
server=
stop() { [ -z "$server" ] || { kill "$server"; wait "$server"; server=; } 2> /dev/null; }
trap 'stop; rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM

contenders=(plain filter)
if command -v qemu-storage-daemon > /dev/null; then contenders+=(qemu qemulog); fi

# serve CONTENDER: on $dir/sock; its log is new.
serve()
{
    rm -f "$dir/sock" "$dir/log"
    local qemu=(qemu-storage-daemon --blockdev driver=file,node-name=disk,filename="$dir/disk"
        --nbd-server addr.type=unix,addr.path="$dir/sock")
    case $1 in
        plain) nbdkit -f -U "$dir/sock" file "$dir/disk" & ;;
        filter) nbdkit -f -U "$dir/sock" --filter="$filter" file "$dir/disk" logwrites-log="$dir/log" & ;;
        qemu) "${qemu[@]}" --export type=nbd,id=e,node-name=disk,name=,writable=on & ;;
        qemulog)
            : > "$dir/log"
            "${qemu[@]}" --blockdev driver=file,node-name=log,filename="$dir/log" \
                --blockdev driver=blklogwrites,node-name=top,file=disk,log=log \
                --export type=nbd,id=e,node-name=top,name=,writable=on & ;;
    esac
    server=$!
    wait_until "$1 did not start" test -S "$dir/sock"
}

# measure RW BS DEPTH: IOPS.
measure() { fio_iops "nbd+unix:///?socket=$dir/sock" "$@" --size="$size"; }

# compare CASE RW BS DEPTH
compare()
{
    local name=$1 round contender base value
    shift
    wanted "$name" || return 0
    for ((round = 0; round < rounds; round++)); do
        for contender in "${contenders[@]}"; do
            serve "$contender"
            value=$(measure "$@")
            stop
            echo "$value" >> "$dir/$contender.values"
            case $contender in
                plain | qemu) base=$value ;;
                *) awk -v v="$value" -v b="$base" 'BEGIN { print (b > 0 ? v / b : 0) }' \
                    >> "$dir/$contender.ratios" ;;
            esac
        done
    done
    printf '%-32s' "$name"
    for contender in "${contenders[@]}"; do printf ' %9d' "$(median < "$dir/$contender.values")"; done
    printf '   filter/plain %.2f' "$(median < "$dir/filter.ratios")"
    [ ! -e "$dir/qemulog.ratios" ] || printf '   qemulog/qemu %.2f' "$(median < "$dir/qemulog.ratios")"
    echo
    rm -f "$dir"/*.values "$dir"/*.ratios
}

machine
echo "$rounds rounds, $size each, in $directory; load before: $(load)"
head -c "$(numfmt --from=iec "$size")" /dev/urandom > "$dir/disk"
printf '%-32s' 'case (IOPS)'
printf ' %9s' "${contenders[@]}"
echo
compare "4k random write, depth 16" randwrite 4k 16
compare "4k random write, depth 1" randwrite 4k 1
compare "64k write, depth 8" write 64k 8
compare "4k random read, depth 16" randread 4k 16
