#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The real thing: ext4 on a primary that is used, checkpoints, a primary that is
# killed, failover, and the file system on the other side is what the last checkpoint
# promised; then failback, and again from the other side.  NBDRES_LONG=1: 100 rounds.
. "${0%/*}/replication-pair-functions.sh"
. "${0%/*}/fuse-functions.sh"
requires_fuse
requires_loop
requires mkfs.ext4 e2fsck nbdcopy fio fsfreeze
modprobe ext4 > /dev/null 2>&1
requires_command "this kernel has no ext4" grep -q -w ext4 /proc/filesystems

rounds=$(rounds 3)
size=64M

# write_files FOLDER: files with numbers, each synced, until one fails.  The last
# number that was begun is in $tmpdir/begun, that was synced in $tmpdir/synced.
write_files()
{
    local folder=$1 i=0
    while true; do
        i=$((i + 1))
        echo $i > "$tmpdir/begun"
        seq -s ' ' $i $((i + RANDOM % 4000)) > "$folder/file.$i" 2> /dev/null || return 0
        sync "$folder/file.$i" 2> /dev/null || return 0
        echo $i > "$tmpdir/synced"
        # Not for ever more: the newest 40 stay.
        [ $i -le 40 ] || rm -f "$folder/file.$((i - 40))"
    done
}
# look_at IMAGE: what a file system holds; prints what is wrong with it.
look_at()
{
    local image=$1 folder=$tmpdir/look i line
    mkdir -p "$folder"
    timeout 60 mount -o loop "$image" "$folder" || { echo "it cannot be mounted"; return; }
    for ((i = promised - 39 > 0 ? promised - 39 : 1; i <= promised; i++)); do
        # Removed by what was done between the promise and the checkpoint.
        [ $i -gt $((possible - 40)) ] || continue
        line=$(head -n 1 "$folder/file.$i" 2> /dev/null)
        if [ -z "$line" ]; then
            echo "file.$i is missing"
        elif [ "$line" != "$(seq -s ' ' $i "${line##* }")" ]; then
            echo "file.$i is wrong"
        fi
    done
    for i in "$folder"/file.*; do
        [ "${i##*.}" -le "$possible" ] || echo "${i##*/} is of after the checkpoint"
    done
    timeout 60 umount "$folder" || echo "it cannot be unmounted"
    timeout 60 e2fsck -fn "$image" > "$tmpdir/fsck.log" 2>&1 || cat "$tmpdir/fsck.log"
}
# number_in FILE: begun or synced, which are empty for a moment when they change.
number_in()
{
    local number='' tries=1000
    until read -r number < "$tmpdir/$1" && [ -n "$number" ]; do
        ((tries-- > 0)) || return 1
        sleep 0.01
    done
    echo "$number"
}
# more N: N more files are synced than when it is called first.
more() { after=$(number_in synced); wait_for 20 _went_on "$1"; }
_went_on() { [ "$(number_in synced)" -ge $((after + $1)) ]; }
# checkpoint: sets what it promises: the files up to $promised are there, and those
# after $possible are not.
checkpoint()
{
    promised=$(number_in synced)
    control replication-checkpoint || { diag "no checkpoint: $refusal"; return 1; }
    possible=$(number_in begun)
}
use_disk() { as_file "$1" "$(uri_of "$1")" && as_disk "$1" "$(file_of "$1")" && mount_disk "$1"; }
leave_disk()
{
    timeout 60 umount "$(folder_of "$1")" || umount -l "$(folder_of "$1")"
    no_disk "$1"
    timeout 30 umount "$tmpdir/$1.fuse" || umount -l "$tmpdir/$1.fuse"
}

truncate -s $size "$tmpdir/a.disk" "$tmpdir/b.disk"
mkfs.ext4 -q -F "$tmpdir/a.disk" || bail_out "no ext4"
start_standby b
start_primary a b replication-protocol=async replication-timeout=20s
on a
in_sync_comes "the first copy"
primary=a standby=b
for ((round = 1; round <= rounds; round++)); do
    diag "round $round: $primary is the primary"
    ok "round $round: the file system is mounted" use_disk $primary
    rm -f "$(folder_of $primary)"/file.*
    echo 0 > "$tmpdir/synced"
    write_files "$(folder_of $primary)" &
    writer=$!
    timeout 60 fio --name=verified --directory="$(folder_of $primary)" --size=4M --rw=randwrite \
        --bs=4k --verify=crc32c --verify_state_save=0 --fsync=32 --loops=2 \
        > "$tmpdir/fio.log" 2>&1 &
    fio=$!
    on $primary
    wrong=0
    for i in 1 2 3; do
        more 5
        checkpoint || wrong=$((wrong + 1))
    done
    is $wrong 0 "round $round: checkpoints are made under load"
    ok "round $round: what fio wrote is what it reads" wait $fio
    if [ $((round % 2)) = 1 ]; then
        # A file system that stands still: then the promise is each byte of the disk.
        ok "round $round: it is frozen" timeout 30 fsfreeze -f "$(folder_of $primary)"
        does "round $round: the last checkpoint" replication-checkpoint
        promised=$(number_in synced) possible=$(number_in begun)
        nbdcopy "$(uri_of $primary)" "$tmpdir/promise"
        timeout 30 fsfreeze -u "$(folder_of $primary)"
    else
        ok "round $round: the last checkpoint" checkpoint
        rm -f "$tmpdir/promise"
    fi
    ok "round $round: the load goes on" more 5
    kill_nbdkit $primary
    wait $writer
    leave_disk $primary > /dev/null 2>&1
    # nbdkit 1.32.5 can abort when a client is gone with replies queued; then this is a
    # standby that has crashed, too.
    if is_gone "$(pid_of $standby)"; then
        diag "round $round: the server of $standby has aborted; it is started again"
        start_standby $standby
    fi
    on $standby
    does "round $round: $primary is killed, $standby is promoted" replication-failover
    state_comes "round $round: the failover ends" "done"
    nbdcopy "$(uri_of $standby)" "$tmpdir/seen"
    [ ! -e "$tmpdir/promise" ] ||
        same_content "$tmpdir/promise" "$tmpdir/seen" "round $round: each byte is as promised"
    is "$(look_at "$tmpdir/seen")" "" \
        "round $round: the file system has what checkpoint and files up to $promised promise"
    stop_nbdkit $standby
    start_standby $primary
    start_primary $standby $primary replication-protocol=async replication-timeout=20s
    on $standby
    in_sync_comes "round $round: failback, $primary is the secondary"
    does "round $round: a checkpoint" replication-checkpoint
    ok "round $round: both sides are equal" cmp <(nbdcopy "$(uri_of a)" -) <(nbdcopy "$(uri_of b)" -)
    read -r primary standby <<< "$standby $primary"
done
done_testing
