#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A torn write of ext4's superblock is served as such: e2fsck finds its checksum
# wrong, and in the state before it does not.
. "${0%/*}/logreplay-functions.sh"
requires e2fsck

take_log fs/ext4-8m-barrier
start_logreplay r
# check STATE: recovers the journal and checks; prints what e2fsck says.
check()
{
    fetch r "$1" "$tmpdir/fs.img" || return
    timeout 60 e2fsck -y -E journal_only "$tmpdir/fs.img"
    timeout 60 e2fsck -f -n "$tmpdir/fs.img"
}
ok "before the write" check e44:drop=144
ok "after it" check e44
fails_like "half of it" "Superblock checksum does not match" check e44:torn=144:0
done_testing
