#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU 081, rewrite without write permission: a quorum that clients can only read
# heals its children, if it may write to them.
. "${0%/*}/quorum-functions.sh"

three_images 10M 0x32
overwrite "$tmpdir/2.raw" 0x42 1M 1M
nbdkit_options=(-r)
start_quorum q quorum-child.file1="$tmpdir/1.raw" quorum-child.file2="$tmpdir/2.raw" \
    quorum-child.file3="$tmpdir/3.raw" quorum-threshold=2 quorum-rewrite-corrupted=true
watch_events q
ok "the data are right" qemu_io q -r -c 'read -P 0x32 0 10M'
is "$(events)" "BAD file2 read 0+20480" "one event"
ok "the child has been healed" holds "$tmpdir/2.raw" 0x32 0 10M
fails_like "clients cannot write" 'Permission denied|read-only' qemu_io q -c 'write 0 64k'
stop_nbdkit q

nbdkit_options=()
refuses_to_start "children that are read-only cannot be healed" \
    'cannot be used with quorum-read-only=true' "$tmpdir"/{1,2,3}.raw quorum-threshold=2 \
    quorum-rewrite-corrupted=true quorum-read-only=true

done_testing
