#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# copy-on-read beside QEMU's, on 512 MiB (--size): nbdcopy of all of it, the first
# time (everything is fetched and kept) and the second (everything is local), and
# the stream beside nbdcopy from the same source to a file.
#
#     bench/copy-on-read.sh [--rounds N] [--size SIZE]
#
# The contenders take turns within a round; printed are medians in milliseconds,
# and ratios.

set -u -o pipefail
# shellcheck source=bench/functions.sh
. "${BASH_SOURCE[0]%/*}/functions.sh"
plugin=$build/plugins/copy-on-read/.libs/nbdkit-copy-on-read-plugin.so
filter=$build/filters/copy-on-read/.libs/nbdkit-copy-on-read-filter.so
nbdctl=$build/tools/nbdctl/nbdctl

rounds=3 size=512M
take_options '[--rounds N] [--size SIZE]' "$@"
need_files "$plugin" "$filter" "$nbdctl"
need_programs nbdkit nbdcopy
qemu=yes
command -v qemu-storage-daemon qemu-img > /dev/null || qemu=

# Files on tmpfs: what is measured is the programs, not a disk.
dir=$(mktemp -d /dev/shm/bench.XXXXXX) || exit 1
declare -A pid
stop()
{
    local name
    for name; do
        [ -n "${pid[$name]:-}" ] || continue
        kill "${pid[$name]}" 2> /dev/null
        timeout 20 tail --pid="${pid[$name]}" -f /dev/null || kill -KILL "${pid[$name]}"
        unset "pid[$name]"
    done
}
trap 'stop "${!pid[@]}"; rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM

wait_pidfile()
{
    wait_until "the server '$1' did not start" test -s "$dir/$1.pid"
    pid[$1]=$(cat "$dir/$1.pid")
}
serve()
{
    local name=$1
    shift
    rm -f "$dir/$name.sock" "$dir/$name.pid"
    nbdkit -U "$dir/$name.sock" -P "$dir/$name.pid" "$@" || exit 1
    wait_pidfile "$name"
}
serve_qemu()
{
    rm -f "$dir/qemu.sock" "$dir/qemu.pid" "$dir/top.qcow2"
    qemu-img create -q -f qcow2 -b "$dir/source.raw" -F raw "$dir/top.qcow2"
    qemu-storage-daemon \
        --blockdev "{\"driver\":\"copy-on-read\",\"node-name\":\"c\",\"file\":{\"driver\":\"qcow2\",\"file\":{\"driver\":\"file\",\"filename\":\"$dir/top.qcow2\"}}}" \
        --nbd-server addr.type=unix,addr.path="$dir/qemu.sock" \
        --export type=nbd,id=e,node-name=c,name=,writable=on \
        --pidfile "$dir/qemu.pid" --daemonize || exit 1
    wait_pidfile qemu
}
uri() { echo "nbd+unix:///?socket=$dir/$1.sock"; }

# timed CASE COMMAND...: its time in ms goes to the values of CASE.
timed()
{
    local name=$1 begin
    shift
    begin=$(date +%s%N)
    timeout 300 "$@" || { echo "bench: $name failed" >&2; exit 1; }
    echo $((($(date +%s%N) - begin) / 1000000)) >> "$dir/$name.values"
}
median_of() { median < "$dir/$1.values"; }
copy() { timed "$1-$2" nbdcopy "$(uri "$1")" null:; }

head -c "$(numfmt --from=iec "$size")" /dev/zero |
    openssl enc -aes-128-ctr -nosalt -K 00000000000000000000000000000001 \
        -iv 00000000000000000000000000000000 > "$dir/source.raw"
serve single file "$dir/source.raw"
for ((round = 0; round < rounds; round++)); do
    copy single first
    for name in plugin filter ${qemu:+qemu}; do
        rm -f "$dir/$name.raw"*
        case $name in
            plugin) serve plugin "$plugin" "$dir/source.raw" cor-file="$dir/plugin.raw" ;;
            filter) serve filter --filter="$filter" file "$dir/source.raw" \
                cor-file="$dir/filter.raw" ;;
            qemu) serve_qemu ;;
        esac
        copy $name first
        copy single second
        copy $name second
        stop $name
    done
    rm -f "$dir"/{plugin,filter}.raw* "$dir/top.qcow2" "$dir/nbdcopy.raw"
    timed nbdcopy-stream nbdcopy "$(uri single)" "$dir/nbdcopy.raw"
    rm -f "$dir/nbdcopy.raw"
    begin=$(date +%s%N)
    serve stream "$plugin" "$(uri single)" cor-file="$dir/stream.raw" cor-stream=true \
        cor-control="$dir/stream.ctl"
    timeout 120 "$nbdctl" "$dir/stream.ctl" wait-resync --interval=0.01 || exit 1
    echo $((($(date +%s%N) - begin) / 1000000)) >> "$dir/stream-stream.values"
    stop stream
    rm -f "$dir/stream.raw"*
done

ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2fx", a / (b ? b : 1) }'; }
printf '%-28s %8s %8s %8s %8s   %s\n' "copy of $size, ms" single plugin filter QEMU \
    "QEMU: of plugin, of filter; single: of plugin"
for pass in first second; do
    q=0
    [ -z "$qemu" ] || q=$(median_of qemu-$pass)
    s=$(median_of single-$pass) p=$(median_of plugin-$pass) f=$(median_of filter-$pass)
    printf '%-28s %8d %8d %8d %8d   %s %s %s\n' "$pass pass" "$s" "$p" "$f" "$q" \
        "$(ratio "$q" "$p")" "$(ratio "$q" "$f")" "$(ratio "$s" "$p")"
done
printf '%-28s nbdcopy %d, stream %d (with the start of the server), %s\n' "all from the source, ms" \
    "$(median_of nbdcopy-stream)" "$(median_of stream-stream)" \
    "$(ratio "$(median_of nbdcopy-stream)" "$(median_of stream-stream)")"
