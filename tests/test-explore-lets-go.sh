#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What somebody else unmounts while states are checked is unmounted, and its loop
# device is free: the namespaces of the workers do not hold on to it.
. "${0%/*}/explore-functions.sh"
. "${0%/*}/fuse-functions.sh"
requires_loop
requires mkfs.ext4 e2fsck

use_log fs/ext4-8m-barrier
mkdir "$tmpdir/other"
truncate -s 8M "$tmpdir/other.img"
ok "a file system of somebody else" mkfs.ext4 -q -F "$tmpdir/other.img"
ok "is mounted" mount -o loop "$tmpdir/other.img" "$tmpdir/other"
cleanup_fn umount -l "$tmpdir/other"

# The checkers say that they are there, and wait.
timeout 120 "$nbdcrash" explore "$log" --mode prefix --from flush:3 --jobs 2 --check \
    "touch $tmpdir/checking; until [ -e $tmpdir/go-on ]; do sleep 0.05; done; $check_ext4" \
    > "$tmpdir/explore.out" 2>&1 &
explorer=$!
at_exit_kill "$explorer"
ok "states are checked" wait_for 60 test -e "$tmpdir/checking"
ok "meanwhile it is unmounted" umount "$tmpdir/other"
is_free() { ! losetup -l -n -O BACK-FILE | grep -q -F "$tmpdir/other.img"; }
ok "and its loop device is free" wait_for 20 is_free
touch "$tmpdir/go-on"
wait "$explorer"
is $? 0 "the states are good" || diag "$(cat "$tmpdir/explore.out")"
nothing_left
done_testing
