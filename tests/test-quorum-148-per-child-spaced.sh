#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU 148, case 6: as case 5 with time in between: each read has its event,
# those of other children do not count.
. "${0%/*}/quorum-148.sh"

start_148 quorum
for round in 1 2; do
    for i in 0 1 2; do
        ok "quorum, round $round: sector $((10 + i))" read_sectors $((10 + i))
        event_comes "quorum, round $round: has an event" 5 '^BAD'
        is "$(events)" "$(bad $i)" "quorum, round $round: of child $i"
    done
done
stop_nbdkit q

start_148 fifo
for round in 1 2; do
    ok "fifo, round $round: sector 10" read_sectors 10
    event_comes "fifo, round $round: has an event" 5 '^BAD'
    ok "fifo, round $round: sectors 11 and 12" read_sectors 11 12
    is "$(events)" "$(bad 0)" "fifo, round $round: have none"
done

done_testing
