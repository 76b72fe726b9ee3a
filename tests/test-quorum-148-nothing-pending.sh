#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU 148, case 7: when what was held back has been sent, nothing is left.
. "${0%/*}/quorum-148.sh"

for pattern in quorum fifo; do
    start_148 "$pattern"
    ok "$pattern: two reads" read_sectors 10 10
    event_comes "$pattern: the first event" 5 '^BAD'
    first=$(events | wc -l)
    [ "$first" -eq 2 ] || event_comes "$pattern: the second event" 5 '^BAD'
    is $((first + $(events | wc -l))) 2 "$pattern: two events"
    fails "$pattern: no more, for longer than the limit" wait_for 2 _has_event '^BAD'
    for i in 0 1 2; do
        is "$(child_value "img$i" counters/read-errors)" $((i == 0 ? 2 : 0)) \
            "$pattern: the counters have the exact number for child $i"
    done
    stop_nbdkit q
done

done_testing
