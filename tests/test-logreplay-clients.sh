#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The clients that people use can all open a state: nbdinfo, nbdcopy, nbdfuse,
# qemu-img, qemu-io, qemu-nbd (and guestfish, where it is).
. "${0%/*}/logreplay-functions.sh"
. "${0%/*}/fuse-functions.sh"
requires e2fsck qemu-img

take_log fs/ext4-8m-barrier
start_logreplay r
uri=$(state_uri r flush:20)
fetch r flush:20 "$tmpdir/state.img"
is "$(timeout 20 nbdinfo --size "$uri")" "$(stat -c %s "$tmpdir/state.img")" "nbdinfo"
ok "nbdinfo --map adds up" test "$(timeout 20 nbdinfo --map "$uri" |
    awk '{ sum += $2 } END { print sum }')" = "$(stat -c %s "$tmpdir/state.img")"
like "$(timeout 20 nbdinfo "$uri")" 'content: .*ext4' "nbdinfo sees the file system"
ok "qemu-img convert" timeout 30 qemu-img convert -f raw -O raw "$uri" "$tmpdir/qemu.img"
same_content "$tmpdir/qemu.img" "$tmpdir/state.img" "gives the same"
ok "qemu-img compare" timeout 30 qemu-img compare -f raw -F raw "$uri" "$tmpdir/state.img"
ok "qemu-img map" timeout 30 qemu-img map -f raw "$uri"
ok "nbdcopy into a state" timeout 30 nbdcopy --flush "$tmpdir/state.img" "$uri"
ok "a snapshot over it" timeout 30 qemu-img create -q -f qcow2 -F raw -b "$uri" "$tmpdir/top.qcow2"
ok "can be checked" timeout 30 qemu-img check -q "$tmpdir/top.qcow2"
ok "unaligned extents" state_io r flush:20 'write -P 1 1000 3' 'write -z 70001 5' map 'read 0 8M'

if command -v nbdfuse > /dev/null && [ -c /dev/fuse ] && [ "$(id -u)" = 0 ]; then
    ok "nbdfuse" as_file f "$uri"
    same_content "$(file_of f)" "$tmpdir/state.img" "has the same content"
    ok "e2fsck recovers the journal there" timeout 60 e2fsck -y -E journal_only "$(file_of f)"
    ok "and finds nothing wrong" timeout 60 e2fsck -f -n "$(file_of f)"
    ok "it ends" no_file f
    ok "and the state is as it was" qemu-img compare -f raw -F raw "$uri" "$tmpdir/state.img"
else
    skip "nbdfuse" "no FUSE here"
fi
# libguestfs brings a kernel and a virtual machine, so it is nothing that the tests
# install; where it is, it is one point more.
if command -v guestfish > /dev/null; then
    like "$(LIBGUESTFS_BACKEND=direct LIBGUESTFS_BACKEND_SETTINGS=force_tcg timeout 300 guestfish --ro --format=raw \
        -a "nbd://?socket=$tmpdir/r.sock" run : list-filesystems : mount-ro /dev/sda / : ls / 2>&1 |
        tr '\n' ' ')" '/dev/sda: ext4 .*lost[+]found' "guestfish"
fi
done_testing
