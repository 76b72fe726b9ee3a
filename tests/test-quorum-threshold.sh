#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The threshold: at least 1, at most the number of children, whatever the read
# pattern, and never cut to 32 bits; the default is a majority.
. "${0%/*}/quorum-functions.sh"

three_images 64K 0x32
for pattern in quorum fifo fastest; do
    children=("$tmpdir"/{1,2,3}.raw quorum-read-pattern="$pattern")
    refuses_to_start "$pattern: 0" "quorum-threshold=0: expects a value >= 1" "${children[@]}" \
        quorum-threshold=0
    refuses_to_start "$pattern: -1" "quorum-threshold=-1: expects an integer from 1 to 3" \
        "${children[@]}" quorum-threshold=-1
    refuses_to_start "$pattern: 4 of 3" \
        "quorum-threshold=4: threshold may not exceed children count" \
        "${children[@]}" quorum-threshold=4
    refuses_to_start "$pattern: 2^32 + 1 is not 1" \
        "quorum-threshold=4294967297: threshold may not exceed children count" \
        "${children[@]}" quorum-threshold=4294967297
    refuses_to_start "$pattern: 2^64 + 1 is not 1" "quorum-threshold=18446744073709551617: expects" \
        "${children[@]}" quorum-threshold=18446744073709551617
    refuses_to_start "$pattern: no number" "quorum-threshold=two: expects an integer from 1 to 3" \
        "${children[@]}" quorum-threshold=two
done

for threshold in 1 2 3; do
    start_quorum "t$threshold" "$tmpdir"/{1,2,3}.raw quorum-threshold=$threshold
    watch_events "t$threshold"
    control query-status
    is "$(value return/threshold)" $threshold "threshold $threshold of 3"
    stop_nbdkit "t$threshold"
done

start_quorum default "$tmpdir"/{1,2,3}.raw
watch_events default
control query-status
is "$(value return/threshold)" 2 "the default is a majority"
stop_nbdkit default

refuses_to_start "no child at all" "Number of provided children must be 1 or more"

done_testing
