# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2154
#
# NBD exports as files (nbdfuse), files as disks (loop devices), and what is
# mounted from them.  Source it after functions.sh; everything is taken down
# when the test exits, the last thing first.
#
#     requires_fuse
#     as_file ID URI             a client that stays; the file is $(file_of ID)
#     as_disk ID FILE            the disk is $(disk_of ID)
#     mount_disk ID [OPTION...]  at $(folder_of ID)
#     unmount ID; no_disk ID; no_file ID

requires_fuse()
{
    requires nbdfuse umount
    requires_root
    [ -c /dev/fuse ] || skip_all "no FUSE here"
}

# requires_loop: for as_disk and mount_disk.
requires_loop()
{
    requires losetup mount umount
    requires_root
    requires_command "no loop devices here" losetup -f
}

declare -A _nbdfuse_pid _loop

file_of() { echo "$tmpdir/$1.fuse/disk"; }
disk_of() { echo "${_loop[$1]}"; }
folder_of() { echo "$tmpdir/$1.mnt"; }

# as_file ID URI: fails if the client is refused.
as_file()
{
    local id=$1 pid
    mkdir -p "$tmpdir/$id.fuse"
    timeout 600 nbdfuse "$tmpdir/$id.fuse/disk" "$2" >> "$tmpdir/$id.nbdfuse.log" 2>&1 < /dev/null &
    pid=$!
    _nbdfuse_pid[$id]=$pid
    at_exit_kill "$pid"
    cleanup_fn umount -l "$tmpdir/$id.fuse"
    wait_for 20 _is_file_or_gone "$id" "$pid"
    [ -f "$(file_of "$id")" ]
}
_is_file_or_gone() { [ -f "$(file_of "$1")" ] || is_gone "$2"; }

# no_file ID: the client disconnects.
no_file()
{
    timeout 30 umount "$tmpdir/$1.fuse" && wait_for 20 is_gone "${_nbdfuse_pid[$1]}"
}

# as_disk ID FILE [OPTION...]: losetup's options.
as_disk()
{
    local id=$1 file=$2 device
    shift 2
    device=$(timeout 30 losetup --find --show "$@" "$file") || return
    _loop[$id]=$device
    cleanup_fn no_disk "$id"
}

# no_disk ID: waits until the kernel has let the file go.  Its number may be
# another one's a moment later, so it is never detached twice.
no_disk()
{
    local device=${_loop[$1]:-}
    [ -n "$device" ] || return 0
    unset "_loop[$1]"
    timeout 30 losetup -d "$device" && wait_for 20 _is_not_ours "$device"
}
_is_not_ours() { [[ $(timeout 10 losetup -n -O BACK-FILE "$1" 2> /dev/null) != "$tmpdir"/* ]]; }

# mount_disk ID [OPTION...]: mount's options.
mount_disk()
{
    local id=$1
    shift
    mkdir -p "$(folder_of "$id")"
    cleanup_fn umount -l "$(folder_of "$id")"
    timeout 60 mount "$@" "$(disk_of "$id")" "$(folder_of "$id")"
}
unmount() { timeout 60 umount "$(folder_of "$1")"; }
