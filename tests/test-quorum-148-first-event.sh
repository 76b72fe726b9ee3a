#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU 148, case 1: the first event is sent at once.
. "${0%/*}/quorum-148.sh"

for pattern in quorum fifo; do
    start_148 "$pattern"
    ok "$pattern: the sector can be read" read_sectors 10
    is "$(events)" "$(bad 0)" "$pattern: and its event is here"
    stop_nbdkit q
done

done_testing
