#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# ext4, xfs and btrfs, recorded while they are used: with barriers no crash breaks
# them.  ext4 with barrier=0 is broken by crashes that no prefix shows, and its
# failure shrinks to a single write.
. "${0%/*}/filesystem-functions.sh"
requires_filesystem ext4 mkfs.ext4 e2fsck
. "${0%/*}/explore-functions.sh"

log=$tmpdir/disk.logwrites
rounds=4
# A mount recovers the journal; then the checker must find nothing.
check_xfs="mkdir -p $tmpdir/at && mount -o loop,nouuid {dev} $tmpdir/at && umount $tmpdir/at && xfs_repair -f -n {dev}"
check_btrfs="btrfs check {dev}"

# look_at TYPE SIZE CHECK MKFS...
look_at()
{
    local type=$1 size=$2 check=$3
    shift 3
    rm -f "$tmpdir"/disk.* "$tmpdir/before.img"
    record_filesystem "$size" "$@"
    explore 0 "$type: no prefix is bad" --mode prefix --from mark:mkfs --jobs 2 --check "$check"
    explore 0 "$type: no subset is bad" --mode subset --from mark:mkfs --jobs 2 \
        --exhaustive 4 --random 16 --check "$check"
    diag "$(report states) checked of $(report listed), in $(report seconds) s"
}

look_at ext4 32M "$check_ext4" mkfs.ext4 -q -F
record_options=(-o barrier=0)
rm -f "$tmpdir"/disk.* "$tmpdir/before.img"
record_filesystem 32M mkfs.ext4 -q -F
explore 0 "ext4 without barriers: no prefix is bad" --mode prefix --from mark:mkfs \
    --check "$check_ext4" --jobs 2
explore 1 "but subsets are" --mode subset --from mark:mkfs --check "$check_ext4" --jobs 2
diag "$(report failed) bad of $(report states) checked"
state=$(report failed.0.state)
exits 1 "one of them is minimised" timeout 300 "$nbdcrash" minimize "$log" "$state" \
    --check "$check_ext4" --json
cp "$tmpdir/.ok.log" "$report"
is "$(report missing)" 1 "to a single write"
record_options=()

modprobe xfs > /dev/null 2>&1
if command -v mkfs.xfs xfs_repair > /dev/null && grep -q -w xfs /proc/filesystems; then
    look_at xfs 320M "$check_xfs" mkfs.xfs -q -f
else
    skip "xfs" "this kernel has none, or there are no xfsprogs"
fi
modprobe btrfs > /dev/null 2>&1
if command -v mkfs.btrfs btrfs > /dev/null && grep -q -w btrfs /proc/filesystems; then
    look_at btrfs 128M "$check_btrfs" mkfs.btrfs -q -f
else
    skip "btrfs" "this kernel has none, or there are no btrfs-progs"
fi
nothing_left
done_testing
