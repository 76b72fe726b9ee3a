#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Side by side: one file served by nbdkit alone (the ceiling), quorum of three
# as a plugin and as a filter, and QEMU's quorum of the same three files where
# qemu-storage-daemon is installed.
#
#     bench/run.sh [--rounds N] [--seconds S] [--size SIZE] [CASE...]
#
# CASE is a part of a case's name; all cases without one.  The contenders take
# turns within a round, so that a busy machine is unfair to all of them alike;
# what is printed is the median of the rounds, and its ratio to the single file
# and to QEMU.  Absolute numbers say something about the machine, ratios about
# the programs.

set -u -o pipefail
# shellcheck source=bench/functions.sh
. "${BASH_SOURCE[0]%/*}/functions.sh"
plugin=${QUORUM_PLUGIN:-$build/plugins/quorum/.libs/nbdkit-quorum-plugin.so}
filter=${QUORUM_FILTER:-$build/filters/quorum/.libs/nbdkit-quorum-filter.so}

rounds=3 seconds=2 size=256M cases=()
take_options '[--rounds N] [--seconds S] [--size SIZE] [CASE...]' "$@"
need_files "$plugin" "$filter"
need_programs nbdkit fio nbdcopy

# Files on tmpfs: what is measured is the programs, not a disk.
dir=$(mktemp -d /dev/shm/bench.XXXXXX) || exit 1
pids=()

stop_all()
{
    local pid
    for pid in "${pids[@]}"; do
        kill -CONT "$pid" 2>/dev/null
        kill "$pid" 2>/dev/null
    done
    for pid in "${pids[@]}"; do
        timeout 20 tail --pid="$pid" -f /dev/null || kill -KILL "$pid" 2>/dev/null
    done
    pids=()
}
trap 'stop_all; rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM

# serve NAME ARGS...: nbdkit with a socket and a pidfile called NAME.
serve()
{
    local name=$1
    shift
    rm -f "$dir/$name.sock" "$dir/$name.pid"
    nbdkit -U "$dir/$name.sock" -P "$dir/$name.pid" "$@" || exit 1
    # The daemon's parent can end before the pidfile is there.
    wait_until "the server '$name' did not start" test -s "$dir/$name.pid"
    pids+=("$(cat "$dir/$name.pid")")
}

uri() { echo "nbd+unix:///?socket=$dir/$1.sock"; }

serve_qemu()
{
    command -v qemu-storage-daemon >/dev/null || return
    local i children='' nodes=()
    for i in 0 1 2; do
        nodes+=(--blockdev "$(printf "$1" "$i" "$i")")
        children+="${children:+,}\"n$i\""
    done
    rm -f "$dir/qemu.sock" "$dir/qemu.pid"
    qemu-storage-daemon "${nodes[@]}" \
        --blockdev "{\"driver\":\"quorum\",\"node-name\":\"q\",\"vote-threshold\":2,\"children\":[$children]}" \
        --nbd-server addr.type=unix,addr.path="$dir/qemu.sock" \
        --export type=nbd,id=e,node-name=q,name=,writable=on \
        --pidfile "$dir/qemu.pid" --daemonize || exit 1
    pids+=("$(cat "$dir/qemu.pid")")
}

# iops NAME RW BS DEPTH
iops()
{
    fio_iops "$(uri "$1")" "$2" "$3" "$4" --size="$size" --time_based --runtime="$seconds"
}

# copy_rate NAME: how often nbdcopy would copy the whole device in 1000 s (a
# rate, so that more is better, as in the other cases).
copy_rate()
{
    local before after
    before=$(date +%s%N)
    timeout 300 nbdcopy "$(uri "$1")" null: || { echo 0; return; }
    after=$(date +%s%N)
    echo $((1000000000000 / (after - before)))
}

# compare CASE MEASURE ARGS... : all contenders in $contenders, in turns.
compare()
{
    local name=$1 measure=$2 round contender
    shift 2
    wanted "$name" || return 0
    for ((round = 0; round < rounds; round++)); do
        for contender in "${contenders[@]}"; do
            "$measure" "$contender" "$@" >>"$dir/$contender.values"
        done
    done
    printf '%-44s' "$name"
    local base=0 qemu=0 value
    for contender in "${contenders[@]}"; do
        value=$(median <"$dir/$contender.values")
        rm -f "$dir/$contender.values"
        case $contender in
            single) base=$value ;;
            qemu) qemu=$value ;;
        esac
        printf -v "value_$contender" '%s' "$value"
        printf ' %9d' "$value"
    done
    for contender in plugin filter fastest; do
        [[ " ${contenders[*]} " == *" $contender "* ]] || continue
        local -n result=value_$contender
        awk -v r="$result" -v b="$base" -v q="$qemu" -v n="$contender" 'BEGIN {
            printf "  %s:", n
            if (b > 0) printf " %.2fx single", r / b
            if (q > 0) printf " %.1fx QEMU", r / q
        }'
    done
    echo
}

heading()
{
    echo
    echo "$1"
    printf '%-44s' 'case (IOPS; nbdcopy: copies per 1000 s)'
    printf ' %9s' "${contenders[@]}"
    echo
}

standard_cases()
{
    compare "$1: 4k random read, depth 16" iops randread 4k 16
    compare "$1: 4k random read, depth 1" iops randread 4k 1
    compare "$1: 256k read, depth 8" iops read 256k 8
    compare "$1: 4k random write, depth 16" iops randwrite 4k 16
    compare "$1: 256k write, depth 8" iops write 256k 8
    compare "$1: nbdcopy of the whole device" copy_rate
}

with_qemu() { if command -v qemu-storage-daemon >/dev/null; then contenders+=(qemu); fi; }

fresh_files()
{
    local i
    truncate -s "$size" "$dir/0.img"
    # Not compressible, not sparse, the same on all.
    head -c "$(stat -c %s "$dir/0.img")" </dev/urandom >"$dir/single.img"
    for i in 0 1 2; do cp "$dir/single.img" "$dir/$i.img"; done
}

bench_files()
{
    contenders=(single plugin filter fastest)
    with_qemu
    # All contenders share the three files, so nobody may lock them; only one
    # of them is busy at a time.
    local unlocked=(quorum-child.1.lock=false quorum-child.2.lock=false)
    serve single file "$dir/single.img"
    serve plugin "$plugin" "$dir/0.img" "$dir/1.img" "$dir/2.img" \
        quorum-child.0.lock=false "${unlocked[@]}"
    serve fastest "$plugin" "$dir/0.img" "$dir/1.img" "$dir/2.img" \
        quorum-child.0.lock=false "${unlocked[@]}" quorum-read-pattern=fastest
    serve filter --filter="$filter" file "$dir/0.img" \
        quorum-child="$dir/1.img" quorum-child="$dir/2.img" "${unlocked[@]}"
    serve_qemu "{\"driver\":\"file\",\"node-name\":\"n%d\",\"filename\":\"$dir/%d.img\",\"locking\":\"off\"}"
    heading "Three files on tmpfs"
    standard_cases files
    stop_all
}

# bench_servers TITLE LABEL [delay]: three NBD servers as children, the third
# one slower if wanted.
bench_servers()
{
    local title=$1 label=$2 i third=(file "$dir/2.img")
    if [ "${3:-}" = delay ]; then
        third=(--filter=delay "${third[@]}" delay-read=1ms delay-write=1ms)
    fi
    contenders=(single plugin fastest)
    with_qemu
    for i in 0 1; do serve "child$i" file "$dir/$i.img"; done
    serve child2 "${third[@]}"
    serve single nbd socket="$dir/child0.sock"
    local children=("$(uri child0)" "$(uri child1)" "$(uri child2)")
    serve plugin "$plugin" "${children[@]}" quorum-timeout=2s
    serve fastest "$plugin" "${children[@]}" quorum-timeout=2s quorum-read-pattern=fastest
    serve_qemu "{\"driver\":\"nbd\",\"node-name\":\"n%d\",\"server\":{\"type\":\"unix\",\"path\":\"$dir/child%d.sock\"}}"
    heading "$title"
    standard_cases "$label"
    stop_all
}

# One child frozen.  QEMU's quorum hangs for ever here, so it is not asked.
bench_frozen()
{
    wanted frozen || return 0
    local i
    contenders=(single plugin fastest)
    for i in 0 1 2; do serve "child$i" file "$dir/$i.img"; done
    local frozen=${pids[-1]}
    serve single nbd socket="$dir/child0.sock"
    local children=("$(uri child0)" "$(uri child1)" "$(uri child2)")
    serve plugin "$plugin" "${children[@]}" quorum-timeout=1s
    serve fastest "$plugin" "${children[@]}" quorum-timeout=1s quorum-read-pattern=fastest
    kill -STOP "$frozen"
    heading "Three NBD servers, one frozen (SIGSTOP); QEMU hangs here"
    first_read
    standard_cases frozen
    stop_all
}

# How long the very first request takes that meets the frozen child.
first_read()
{
    local contender before after
    printf '%-44s' 'frozen: first read of 4k, ms (timeout 1000)'
    for contender in "${contenders[@]}"; do
        before=$(date +%s%N)
        timeout 60 fio --name=first --ioengine=nbd --uri="$(uri "$contender")" --rw=read --bs=4k \
            --number_ios=1 --size=4k --output=/dev/null >/dev/null 2>&1
        after=$(date +%s%N)
        printf ' %9d' $(((after - before) / 1000000))
    done
    echo '  (the start of fio included)'
}

machine
echo "nbdkit $(nbdkit --version | awk '{print $2}'), $(qemu-storage-daemon --version 2>/dev/null | head -1 || echo 'no QEMU'), $(date +%F)"
echo "$rounds rounds of $seconds s, $size, medians; load before: $(load)"

fresh_files
bench_files
if wanted 'servers'; then
    bench_servers "Three NBD servers (nbdkit file)" servers
fi
if wanted 'slow'; then
    bench_servers "Three NBD servers, one of them 1 ms slower" slow delay
fi
bench_frozen
