#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The read pattern: one of three; fifo compares nothing, so it is refused together
# with what needs a comparison, instead of silently doing nothing.
. "${0%/*}/quorum-functions.sh"

three_images 64K 0x32
refuses_to_start "an unknown one" "Please set read-pattern as fifo or quorum" \
    "$tmpdir"/{1,2,3}.raw quorum-read-pattern=foo
refuses_to_start "fifo with rewrite-corrupted" \
    "fifo compares nothing, so it cannot be used with quorum-rewrite-corrupted" \
    "$tmpdir"/{1,2,3}.raw quorum-read-pattern=fifo quorum-rewrite-corrupted=true
refuses_to_start "fifo with blkverify" \
    "fifo compares nothing, so it cannot be used with quorum-blkverify" \
    "$tmpdir"/{1,2}.raw quorum-threshold=2 quorum-read-pattern=fifo quorum-blkverify=true
for pattern in quorum fifo fastest; do
    start_quorum "$pattern" "$tmpdir"/{1,2,3}.raw quorum-read-pattern="$pattern"
    watch_events "$pattern"
    control query-status
    is "$(value return/read-pattern)" "$pattern" "$pattern is known"
    stop_nbdkit "$pattern"
done
start_quorum default "$tmpdir"/{1,2,3}.raw
watch_events default
control query-status
is "$(value return/read-pattern)" quorum "the default is quorum"

done_testing
