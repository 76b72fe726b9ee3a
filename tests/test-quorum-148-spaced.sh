#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU 148, case 4: reads far enough apart have an event each; two events of a
# child are never less than a second apart.
. "${0%/*}/quorum-148.sh"

for pattern in quorum fifo; do
    start_148 "$pattern"
    begin=$(now)
    for read in 1 2 3; do
        ok "$pattern: read $read" read_sectors 10
        event_comes "$pattern: has an event" 5 '^BAD'
        is "$(events)" "$(bad 0)" "$pattern: its own"
    done
    took=$(($(now) - begin))
    ok "$pattern: three events take two seconds ($took ms)" test "$took" -ge 2000
    stop_nbdkit q
done

done_testing
