#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A child that failed one write and works again holds old data there.  With
# read-pattern=fifo it is asked first, and must not be believed.
. "${0%/*}/quorum-fault-functions.sh"
requires_nbdkit_filter error

three_images 1M 0x10
start_nbdkit one --filter=error file "$tmpdir/1.raw" error-pwrite=EIO error-pwrite-rate=100% \
    error-file="$tmpdir/trigger"
start_quorum q "$(uri_of one)" "$tmpdir"/{2,3}.raw quorum-read-pattern=fifo quorum-threshold=1
watch_events q
does "no copying yet" resync-pause child=children.0
touch "$tmpdir/trigger"
ok "a write that child 0 fails" qemu_io q -c 'write -P 0x11 128k 64k'
rm "$tmpdir/trigger"
ok "child 0 holds the old data" holds "$tmpdir/1.raw" 0x10 128K 64K
is "$(child_value children.0 state)" online "and answers"
is "$(child_value children.0 stale-bytes)" 65536 "but is not believed there"
ok "reads return the new data" qemu_io q -c 'read -P 0x11 128k 64k'
reads=$(child_value children.0 counters/reads)
ok "elsewhere child 0 is still the one that is asked" qemu_io q -r -c 'read -P 0x10 512k 64k'
ok "(it was)" child_at_least children.0 counters/reads $((reads + 1))
does "now it may be copied" resync-resume child=children.0
recovers "child 0 is repaired"
ok "it holds the new data" holds "$tmpdir/1.raw" 0x11 128K 64K
identical "the children are equal"
done_testing
