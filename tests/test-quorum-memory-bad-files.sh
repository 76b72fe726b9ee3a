#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What cannot be the memory of this set is refused by name, with the reason and the way
# out, and nothing is touched.
. "${0%/*}/quorum-functions.sh"
requires mkfifo

three_images 4M 5
disks=("$tmpdir/1.raw" "$tmpdir/2.raw" "$tmpdir/3.raw")
memory=$tmpdir/memory
start_quorum q "${disks[@]}" quorum-memory="$memory"
ok "it is written" qemu_io q -c 'write -P 6 0 64k' -c flush
refuses_to_start "in use" 'lock|in use' "${disks[@]}" quorum-child.0.lock=false \
    quorum-child.1.lock=false quorum-child.2.lock=false quorum-memory="$memory"
kill_nbdkit q
cp "$memory" "$tmpdir/good"
sums=$(sha256sum "${disks[@]}")

refuses()
{
    refuses_to_start "$1" "quorum-memory: .*$2" "${disks[@]}" quorum-memory="$3"
    is "$(sha256sum "${disks[@]}")" "$sums" "$1: the children are as they were"
}
damage() { overwrite "$memory" 0x41 "$1" 16; }
damage 20000
refuses "a damaged page" "'$memory' is damaged.*page 2, slot A: the checksum of bytes 19968 to 20479" "$memory"
head -c 100000 "$tmpdir/good" > "$memory"
refuses "one that is cut short" "'$memory' is damaged" "$memory"
head -c 65536 /dev/urandom > "$memory"
refuses "another file" "'$memory' is damaged, or no memory.*magic" "$memory"
is "$(stat -c %s "$memory")" 65536 "the other file is as it was"
mkdir "$tmpdir/folder"
refuses "a folder" "folder' is no regular file" "$tmpdir/folder"
mkfifo "$tmpdir/pipe"
refuses "a pipe" "pipe' is no regular file" "$tmpdir/pipe"
ln -s "$tmpdir/nowhere/x" "$tmpdir/link"
refuses "a link to nowhere" "link' is a symbolic link to nowhere" "$tmpdir/link"
fails "it is made nowhere" test -e "$tmpdir/nowhere"
refuses "no folder" "cannot be made" "$tmpdir/none/memory"

cp "$tmpdir/good" "$memory"
for i in 1 2 3; do random_image "$tmpdir/other$i.raw" 8M "$i"; done
refuses_to_start "of another size" \
    'the memory is that of a device of 4194304 bytes, and the children have 8388608' \
    "$tmpdir/other1.raw" "$tmpdir/other2.raw" "$tmpdir/other3.raw" quorum-memory="$memory" \
    quorum-force-start="$tmpdir/other1.raw"
for i in 1 2 3; do random_image "$tmpdir/same$i.raw" 4M 4; done
start_quorum q "$tmpdir/same1.raw" "$tmpdir/same2.raw" "$tmpdir/same3.raw" \
    quorum-memory="$tmpdir/second"
stop_nbdkit q
refuses_to_start "copies of two sets" 'is the memory of set [0-9a-f]*, and .* that of set' \
    "${disks[@]}" quorum-memory="$memory" quorum-memory="$tmpdir/second"
refuses_to_start "children of another set" '0 of the members that are there are current' \
    "$tmpdir/same1.raw" "$tmpdir/same2.raw" "$tmpdir/same3.raw" quorum-memory="$memory"
refuses_to_start "a word that is none" 'quorum-create=some.*expects equal, degraded' \
    "${disks[@]}" quorum-create=some
refuses_to_start "nobody of that name" 'quorum-force-start=z: no child has this name' \
    "${disks[@]}" quorum-memory="$memory" quorum-force-start=z

start_quorum q "${disks[@]}" quorum-memory="$memory"
ok "the sound one is good" qemu_io q -c 'read -P 6 0 64k' -c 'read -P 5 1M 64k'
stop_nbdkit q
done_testing
