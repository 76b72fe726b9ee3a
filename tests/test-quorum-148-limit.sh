#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# QEMU 148, cases 2 and 3: more events of a child within a second are held back;
# when it is over, one is sent, the newest.
. "${0%/*}/quorum-148.sh"

# read_four: sector 10 three times, then sectors 10 and 11 at once; fails if the
# machine took so long that the second may be over.
read_four()
{
    local begin
    begin=$(now)
    qemu_io q -c 'read 5120 512' -c 'read 5120 512' -c 'read 5120 512' -c 'read 4608 1024' &&
        soon=$(events) && [ $(($(now) - begin)) -lt 900 ]
}

for pattern in quorum fifo; do
    for try in 1 2 3 4 5 late; do
        [ $try != late ] || break
        start_148 "$pattern"
        read_four > "$tmpdir/read.log" && break
        diag "try $try took too long"
        stop_nbdkit q
    done
    if [ $try = late ]; then
        skip "$pattern: four reads, one event" "this machine needs a second for four reads"
        continue
    fi
    is "$soon" "$(bad 0)" "$pattern: four reads, one event"
    event_comes "$pattern: another one when the second is over" 5 '^BAD'
    is "$(events)" "BAD img0 read 9+2 Input/output error" "$pattern: about the last read"
    # There is no third: the next event that comes is that of the next read.
    ok "$pattern: another read" read_sectors 10
    event_comes "$pattern: brings an event" 5 '^BAD'
    is "$(events)" "$(bad 0)" "$pattern: its own, and nothing else was kept"
    stop_nbdkit q
done

done_testing
