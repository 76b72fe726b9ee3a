#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The power goes: nothing survives that was not flushed, at any of many moments of a
# secondary at work, and it still shows exactly the last checkpoint.  (Its disk and its
# files are in a file system whose every write is recorded; NBDRES_LONG=1: more
# moments.)
. "${0%/*}/logreplay-functions.sh"
. "${0%/*}/fuse-functions.sh"
. "${0%/*}/replication-functions.sh"
requires_fuse
requires_loop
requires mkfs.ext4 nbdcopy
modprobe ext4 > /dev/null 2>&1
requires_command "this kernel has no ext4" grep -q -w ext4 /proc/filesystems

checkpoints=2
batches=$([ "${NBDRES_LONG:-0}" = 1 ] && echo 12 || echo 2)
truncate -s 64M "$tmpdir/disk.img"
start_logwrites l
ok "the file system is recorded" as_file disk "$(uri_of l)"
ok "as a disk" as_disk disk "$(file_of disk)"
ok "mkfs" timeout 120 mkfs.ext4 -q -F "$(disk_of disk)"
ok "mount" mount_disk disk

# secondary FOLDER: the one whose files are there.
secondary()
{
    run=$1
    ln -sfn "$1/s.disk" "$tmpdir/s.disk"
    unset "_session_out[s]"
    start_secondary s replication-identity="$1/identity" replication-cluster-size=16k
    watch_events s
}
random_image "$(folder_of disk)/s.disk" 2M 1
cp "$(folder_of disk)/s.disk" "$tmpdir/primary"
sync -f "$(folder_of disk)"
secondary "$(folder_of disk)"
marks=()
# moment CHECKPOINT: a mark in the log.
moment()
{
    local name=moment-${#marks[@]}-$1
    mark l "$name" > /dev/null || fail "$name"
    marks+=("$name")
}
for ((number = 1; number <= checkpoints; number++)); do
    if [ $number = 1 ]; then
        control replication-start || fail "start" "$refusal"
    else
        control replication-checkpoint || fail "checkpoint $number" "$refusal"
    fi
    moment $number
    cp "$tmpdir/primary" "$tmpdir/promise.$number"
    for ((batch = 1; batch <= batches; batch++)); do
        client odd s $((number * 100 + batch)) 12 primary="$tmpdir/primary" > /dev/null ||
            fail "batch $batch of checkpoint $number"
        moment $number
        # And something that nobody flushes.
        at=$((RANDOM % 30))
        primary_io s "write -P 0x$number$batch $((at * 64))k 64k" > /dev/null || fail "a write"
        perl -e 'open my $f, "+<", $ARGV[0] or die; seek $f, $ARGV[1], 0; print $f chr(hex $ARGV[2]) x 65536' \
            "$tmpdir/primary" $((at * 65536)) $number$batch
        moment $number
    done
done
pass "$checkpoints checkpoints, ${#marks[@]} moments"
kill_nbdkit s
ok "umount" unmount disk
ok "the disk is let go" no_disk disk
ok "the file too" no_file disk
stop_nbdkit l

start_logreplay r
# after STATE CHECKPOINT: what a machine finds that comes up in this state.
after()
{
    local found
    as_file state "$(state_uri r "$1")" && as_disk state "$(file_of state)" && mount_disk state ||
        { echo "the file system cannot be mounted"; return; }
    secondary "$(folder_of state)"
    replication_value_is state running || echo "state $(replication_value state)"
    found=$(replication_value checkpoint)
    [ "$found" = "$2" ] || echo "checkpoint $found"
    nbdcopy "$(uri_of s)" "$tmpdir/seen"
    cmp "$tmpdir/seen" "$tmpdir/promise.$2" 2>&1
    stop_nbdkit s
    unmount state && no_disk state && no_file state || echo "it cannot be unmounted"
}
for name in "${marks[@]}"; do
    number=${name##*-}
    after "mark:$name" "$number" > "$tmpdir/after" 2>&1
    is "$(cat "$tmpdir/after")" "" "$name, all has survived: checkpoint $number"
    after "mark:$name:keep=" "$number" > "$tmpdir/after" 2>&1
    is "$(cat "$tmpdir/after")" "" "$name, nothing has survived that was not flushed"
done
done_testing
