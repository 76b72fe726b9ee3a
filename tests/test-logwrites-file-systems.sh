#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Real file systems, through FUSE and a loop device: mkfs, mount, files, fsync,
# trim, unmount.  The whole log is the device, and its file system is sound; so is
# the state of each mark that was made after a sync.
. "${0%/*}/logwrites-functions.sh"
requires_root
requires nbdfuse losetup fusermount3 e2fsck mkfs.ext4
requires_command "no loop devices" losetup -f

mkdir "$tmpdir/fuse" "$tmpdir/mnt"

# release: undoes what attach has done.
release()
{
    umount "$tmpdir/mnt" 2> /dev/null
    [ -z "${loop:-}" ] || losetup -d "$loop"
    fusermount3 -u "$tmpdir/fuse" 2> /dev/null
    loop=
}
cleanup_fn release

attach()
{
    nbdfuse "$tmpdir/fuse/disk" "$(uri_of "$1")" > "$tmpdir/nbdfuse.log" 2>&1 &
    fuse_pid=$!
    at_exit_kill $fuse_pid
    wait_for 20 test -e "$tmpdir/fuse/disk" || return 1
    loop=$(losetup --show -f "$tmpdir/fuse/disk")
}

# work NAME: files, half of them synced, and a mark after each sync.
work()
{
    local i
    for i in 1 2 3 4 5; do
        head -c $((i * 30000)) /dev/urandom > "$tmpdir/mnt/synced-$i" &&
            sync "$tmpdir/mnt/synced-$i" && timeout 20 "$nbdctl" "$(control_of "$1")" \
            mark "synced-$i" > /dev/null && cp "$tmpdir/mnt/synced-$i" "$tmpdir/mnt/other-$i" || return 1
    done
    rm "$tmpdir/mnt/synced-1" && fstrim "$tmpdir/mnt"
}

sound()
{
    case $1 in
        ext4) e2fsck -fn "$2" ;;
        xfs) xfs_repair -n "$2" ;;
        btrfs) btrfs check "$2" ;;
    esac
}

for fs in ext4 xfs btrfs; do
    if ! command -v mkfs.$fs > /dev/null || { [ $fs = xfs ] && ! command -v xfs_repair > /dev/null; }; then
        skip "$fs" "no mkfs.$fs here"
        continue
    fi
    rm -f "$log" "$tmpdir/before.img" "$tmpdir/disk.img"
    empty_image "$tmpdir/disk.img" 320M
    start_logwrites $fs
    attach $fs || bail_out "no loop device: $(cat "$tmpdir/nbdfuse.log")"
    ok "$fs: mkfs" timeout 60 mkfs.$fs -q "$loop"
    if ! mount "$loop" "$tmpdir/mnt" 2> /dev/null; then
        skip "$fs: mount" "the kernel has no $fs"
        release
        stop_nbdkit $fs
        continue
    fi
    ok "$fs: work" work $fs
    release
    wait_for 20 is_gone $fuse_pid
    stop_nbdkit $fs
    is_whole "$fs: a replay equals the device"
    ok "$fs: and is sound" sound $fs "$tmpdir/replay.img"
    diag "$("$clients/logdump" "$log" | wc -l) entries, $(stat -c %s "$log") bytes, of which $(($(stat -c '%b * %B' "$log"))) are there"

    # A point in time: what was synced is there, after the file system's recovery.
    number=$("$clients/logdump" "$log" | awk '$5 == "synced-3" { print $1 }')
    cp --sparse=always "$tmpdir/before.img" "$tmpdir/point.img"
    "$clients/logdump" --replay "$tmpdir/point.img" --entries "$number" "$log"
    ok "$fs: the state of a mark can be mounted" mount -o loop "$tmpdir/point.img" "$tmpdir/mnt"
    is "$(stat -c %s "$tmpdir/mnt/synced-3" 2> /dev/null)" 90000 "$fs: and has the file that was synced"
    umount "$tmpdir/mnt"
done
done_testing
