#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# All servers are killed at once, and forget what they had not flushed.  They are given
# it again, without anybody's help.
. "${0%/*}/quorum-link-functions.sh"
requires_nbdkit_filter cache

# nbdkit's cache filter keeps what is written in a file that dies with it.
servers=(one two three)
forgetful()
{
    local i
    for i in 0 1 2; do
        start_nbdkit "${servers[i]}" --filter=cache file "$tmpdir/$((i + 1)).raw" cache=writeback
    done
}

three_images 8M 0x10
forgetful
start_quorum q "$(uri_of one)" "$(uri_of two)" "$(uri_of three)" quorum-timeout=3s \
    quorum-unflushed-limit=64M
watch_events q
ok "a write that is flushed" qemu_io q -c 'write -P 0x11 0 1M' -c flush
ok "writes that are not" write_unflushed q 'write -P 0x12 512k 1M' 'write -P 0x13 516k 4k' \
    'write -z 4M 256k'
for name in "${servers[@]}"; do kill_nbdkit "$name"; done
becomes failed "the loss is noticed"
stop_writing
ok "the servers have forgotten them" holds "$tmpdir/1.raw" 0x10 1M 512K
forgetful
recovers "all is well within 5 s" 5
ok "what was acknowledged is there" qemu_io q -r -c 'read -P 0x11 0 512k' -c 'read -P 0x12 512k 4k' \
    -c 'read -P 0x13 516k 4k' -c 'read -P 0x12 520k 1016k' -c 'read -P 0 4M 256k' \
    -c 'read -P 0x10 2M 2M'
identical "after a flush it is on all disks"
ok "the write, too" holds "$tmpdir/2.raw" 0x13 516K 4K
never_differed "nobody was called a liar"
is "$(events '^FAILURE')" "" "no read has failed"
done_testing
