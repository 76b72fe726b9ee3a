#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# read-pattern=fastest answers before a slow child; what that child says is
# compared afterwards, reported and healed.
. "${0%/*}/quorum-fault-functions.sh"
requires_nbdkit_filter delay

three_images 1M 0x21
overwrite "$tmpdir/3.raw" 0x22 64K 1K
start_nbdkit three --filter=delay file "$tmpdir/3.raw" delay-read=3
start_quorum q "$tmpdir"/{1,2}.raw "$(uri_of three)" quorum-read-pattern=fastest \
    quorum-rewrite-corrupted=true
watch_events q
within 1500 "a read does not wait for the slow child" qemu_io q -r -c 'read -P 0x21 0 128k'
is "$(child_value children.2 counters/mismatches)" 0 "which has not answered yet"
ok "(it really has not)" holds "$tmpdir/3.raw" 0x22 64K 1K
event_comes "when it has, it is reported" 10 '^BAD children.2 read 0\+256'
is "$(child_value children.2 counters/differing-sectors)" 2 "with the number of sectors"
ok "and healed" wait_for 15 holds "$tmpdir/3.raw" 0x21 0 128K
is "$(child_value children.2 counters/timeouts)" 0 "it was never given up"
identical "the children are equal"
done_testing
