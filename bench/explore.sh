#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Crash states per second: nbdcrash explore after every flush of an ext4, beside
# a loop as tests with replay-log have it (replay up to the flush, check, again
# from the beginning) over the same log.
#
#     bench/explore.sh [--size SIZE] [--directory DIR] [--files N]
#
# The file system is recorded while it is used (root, FUSE and a loop device).

set -u -o pipefail
# shellcheck source=bench/functions.sh
. "${BASH_SOURCE[0]%/*}/functions.sh"
filter=$build/filters/logwrites/.libs/nbdkit-logwrites-filter.so
nbdcrash=$build/tools/nbdcrash/nbdcrash
replay_log=$build/tools/nbdcrash/replay-log

size=256M directory=/dev/shm files=60
take_options '[--size SIZE] [--directory DIR] [--files N]' "$@"
need_programs nbdkit nbdfuse mkfs.ext4 e2fsck losetup
if [ "$(id -u)" -ne 0 ] || [ ! -c /dev/fuse ]; then
    echo "bench: explore is left out: it needs root and FUSE" >&2
    exit 0
fi

dir=$(mktemp -d "$directory/bench.XXXXXX") || exit 1
pids=() loop=
clean()
{
    umount -l "$dir/mnt" 2> /dev/null
    [ -z "$loop" ] || losetup -d "$loop" 2> /dev/null
    umount -l "$dir/fuse" 2> /dev/null
    local pid
    for pid in ${pids[@]+"${pids[@]}"}; do kill "$pid" 2> /dev/null; wait "$pid"; done
    rm -rf "$dir"
}
trap clean EXIT
trap 'exit 130' INT TERM

record()
{
    mkdir "$dir/fuse" "$dir/mnt"
    truncate -s "$size" "$dir/disk"
    nbdkit -f -U "$dir/sock" --filter="$filter" file "$dir/disk" logwrites-log="$dir/log" &
    pids+=($!)
    wait_until "nbdkit did not start" test -S "$dir/sock"
    nbdfuse "$dir/fuse/disk" "nbd+unix:///?socket=$dir/sock" &
    pids+=($!)
    wait_until "nbdfuse did not start" test -f "$dir/fuse/disk"
    mkfs.ext4 -q -F "$dir/fuse/disk"
    loop=$(losetup -f --show "$dir/fuse/disk")
    mount "$loop" "$dir/mnt"
    local i
    for ((i = 0; i < files; i++)); do
        head -c $((i * 500)) /dev/urandom > "$dir/mnt/$i"
        sync "$dir/mnt/$i"
    done
    umount "$dir/mnt"
    losetup -d "$loop"
    loop=
    umount "$dir/fuse"
    wait "${pids[1]}"
    kill "${pids[0]}"
    wait "${pids[0]}"
    pids=()
}

now() { date +%s%N; }
rate() { awk -v n="$1" -v ns="$2" 'BEGIN { printf "%.1f", n * 1e9 / ns }'; }

# The old way; at most 40 states, spread over the log.
by_replay_log()
{
    local flushes=() entry count=0 begin step
    entry=0
    while entry=$("$replay_log" --log "$dir/log" --find --next-flush --start-entry "$entry" 2> /dev/null); do
        entry=${entry%%@*}
        entry=$((entry + 1))
        flushes+=("$entry")
    done
    step=$(((${#flushes[@]} + 39) / 40))
    begin=$(now)
    for ((i = 0; i < ${#flushes[@]}; i += step)); do
        rm -f "$dir/replayed"
        truncate -s "$size" "$dir/replayed"
        "$replay_log" --log "$dir/log" --replay "$dir/replayed" --limit "${flushes[i]}" > /dev/null
        e2fsck -fn "$dir/replayed" > /dev/null 2>&1
        count=$((count + 1))
    done
    rate $count $(($(now) - begin))
}

# by_explore JOBS MODE
by_explore()
{
    local begin
    begin=$(now)
    "$nbdcrash" explore "$dir/log" --mode "$2" --jobs "$1" --check 'e2fsck -fn {dev}' \
        --from flush:3 --no-read-pruning --json "$dir/report" > /dev/null
    rate "$(sed -n 's/^ *"states": \([0-9]*\),$/\1/p' "$dir/report")" $(($(now) - begin))
}

machine
echo "ext4 of $size, e2fsck -fn, in $directory; load before: $(load)"
record
printf '%-52s %8s\n' 'crash states checked per second' ''
old=$(by_replay_log)
printf '%-52s %8s\n' 'replay-log from the beginning, then e2fsck' "$old"
for jobs in 1 $(($(nproc) > 1 ? $(nproc) : 0)); do
    [ "$jobs" -gt 0 ] || continue
    new=$(by_explore "$jobs" flush)
    printf '%-52s %8s   %s times\n' "nbdcrash explore --mode flush --jobs $jobs" "$new" \
        "$(awk -v a="$new" -v b="$old" 'BEGIN { printf "%.1f", a / b }')"
done
printf '%-52s %8s\n' "nbdcrash explore --mode subset --jobs 1" "$(by_explore 1 subset)"
