# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2119,SC2154
#
# A real file system that is recorded while it is used, and then looked at at each
# moment that its user was promised something:
#
#     . "${0%/*}/filesystem-functions.sh"
#     requires_filesystem ext4 mkfs.ext4 e2fsck
#     record_filesystem 64M mkfs.ext4 -q -F
#     replays_whole
#     every_mark_is_served [MOUNT-OPTION...]
#     done_testing
#
# A script says besides what checks its file system: fsck DEVICE.
#
# Between the file system and the recorder are a loop device and nbdfuse.  The
# user writes files; each is fsynced, and only then a mark is set.  So what stands
# at a mark must have survived a crash there, and the worst one at that: without a
# single write that was not flushed.

. "${BASH_SOURCE[0]%/*}/logreplay-functions.sh"
. "${BASH_SOURCE[0]%/*}/fuse-functions.sh"

# requires_filesystem TYPE PROGRAM...
requires_filesystem()
{
    local type=$1
    shift
    requires_fuse
    requires_loop
    requires "$@"
    modprobe "$type" > /dev/null 2>&1
    requires_command "this kernel has no $type" grep -q -w "$type" /proc/filesystems
}

rounds=6
record_options=()    # of mount, while it is recorded

# record_filesystem SIZE MKFS...
record_filesystem()
{
    local size=$1
    shift
    empty_image "$tmpdir/disk.img" "$size"
    start_logwrites l
    ok "the export is a file" as_file disk "$(uri_of l)"
    ok "and a disk" as_disk disk "$(file_of disk)"
    ok "mkfs" timeout 120 "$@" "$(disk_of disk)"
    ok "what it wrote is flushed" sync "$(disk_of disk)"
    ok "mark mkfs" mark l mkfs
    ok "mount" mount_disk disk ${record_options[@]+"${record_options[@]}"}
    : > "$tmpdir/sums.txt"
    _use_filesystem "$(folder_of disk)"
    ok "umount" unmount disk
    ok "mark umount" mark l umount
    ok "the disk is let go" no_disk disk
    ok "the file too" no_file disk
    ok "the recorder ends" stop_nbdkit l
    diag "$(entries | awk '{ n[$2]++ } END { for (k in n) printf "%d %s, ", n[k], k }') in the log"
}

# Files of all kinds of lengths; some are overwritten, renamed, removed.  At the
# mark file-N stand the files that sums-N.txt knows.
_use_filesystem()
{
    local folder=$1 round name failed=
    for ((round = 1; round <= rounds; round++)); do
        name=$folder/dir-$((round % 3))/file-$round
        mkdir -p "${name%/*}"
        random_image "$tmpdir/content" $((round * 12345)) "$round"
        dd if="$tmpdir/content" of="$name" bs=7k conv=fsync status=none || failed=$round
        if [ "$round" -ge 3 ]; then
            mv "$name" "$name-renamed"
            dd if="$tmpdir/content" of="$folder/dir-0/rewritten" bs=4k conv=notrunc,fsync status=none
            rm -f "$folder"/dir-*/file-$((round - 2))-renamed
            sync -f "$folder"
        fi
        sync "${name%/*}" "$folder"
        (cd "$folder" && find . -type f -exec sha256sum {} +) > "$tmpdir/sums-$round.txt"
        mark l "file-$round" > /dev/null || failed=$round
        # What nobody has asked to be durable, and so need not be there.
        head -c 30000 "$tmpdir/content" > "$folder/not-synced"
        rm -f "$folder/not-synced"
    done
    is "$failed" "" "$rounds rounds of files, each synced and marked"
}

# replays_whole: a full replay, by us and by others, is the device.
replays_whole()
{
    is_whole "a replay by another program equals the device"
    start_logreplay whole
    ok "the end is served" fetch whole end "$tmpdir/end.img"
    same_content "$tmpdir/end.img" "$tmpdir/disk.img" "and equals the device, byte for byte"
    ok "its check" fsck "$tmpdir/end.img"
    ok "umount is a whole file system" fetch whole mark:umount "$tmpdir/end.img"
    ok "its check" fsck "$tmpdir/end.img"
    stop_nbdkit whole
    rm -f "$tmpdir/end.img" "$tmpdir/replay.img"
}

# count_lost_marks: sets $lost_marks, at how many marks something is missing if no
# write survived that was not flushed.
count_lost_marks()
{
    local round
    lost_marks=0
    start_logreplay r
    for ((round = 1; round <= rounds; round++)); do
        _look_at "mark:file-$round:keep=" "$tmpdir/sums-$round.txt" > "$tmpdir/lost.txt" 2>&1 ||
            lost_marks=$((lost_marks + 1))
    done
    stop_nbdkit r
}

# every_mark_is_served [MOUNT-OPTION...]
every_mark_is_served()
{
    local round
    start_logreplay r
    ok "mark:mkfs has nothing yet" _look_at mark:mkfs /dev/null "$@"
    for ((round = 1; round <= rounds; round++)); do
        ok "mark:file-$round has its files" \
            _look_at "mark:file-$round" "$tmpdir/sums-$round.txt" "$@"
        ok "and all of them if nothing else survived" \
            _look_at "mark:file-$round:keep=" "$tmpdir/sums-$round.txt" "$@"
    done
    stop_nbdkit r
}

# _look_at STATE SUMS [MOUNT-OPTION...]: mounts the state, which recovers the
# journal, compares the files, and has it checked.  What is written meanwhile is
# in the overlay of this one connection.
_look_at()
{
    local state=$1 sums=$2 status=0
    shift 2
    as_file state "$(state_uri r "$state")" && as_disk state "$(file_of state)" || return
    if mount_disk state "$@"; then
        (cd "$(folder_of state)" && { [ ! -s "$sums" ] || sha256sum --quiet -c "$sums"; }) || status=1
        [ -s "$sums" ] || [ -z "$(find "$(folder_of state)" -type f)" ] || status=1
        unmount state || status=1
    else
        dmesg 2> /dev/null | tail -n 5
        status=1
    fi
    [ $status -ne 0 ] || fsck "$(disk_of state)" || status=1
    no_disk state && no_file state && return $status
}
