#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The server is killed under load, at any moment: the log is readable, what was
# acknowledged as flushed, with FUA or as a mark is counted, and an appending
# server finds what was not counted.
. "${0%/*}/logwrites-functions.sh"

empty_image "$tmpdir/disk.img" 4M
start_logwrites l
for round in 1 2 3 4 5; do
    timeout 60 "$clients/stress" --size=1M --requests=0 --seconds=20 --allow-errors \
        --allow-disconnect --connections=3 "$(uri_of l)" > "$tmpdir/stress.out" 2>&1 &
    stress=$!
    wait_for 10 eval '[ "$(query l entries)" -gt 200 ]'
    ok "round $round: a write and a flush" requests l "write -P 0xa$round 2M 64k" flush
    ok "round $round: a write with FUA" requests l "write -f -P 0xb$round 3M 64k"
    ok "round $round: a mark" mark l "round-$round"
    sleep "0.0$((RANDOM % 10))"
    kill_nbdkit l
    wait "$stress"

    ok "round $round: the log is readable" "$clients/logdump" "$log"
    is "$(entries | grep -c 'MARK round-')" "$round" "round $round: all marks are counted"
    like "$(entries | grep -A1 -x "6144+128 FUA" | tail -n 2)" FUA "round $round: so is the write with FUA"
    cp --sparse=always "$tmpdir/before.img" "$tmpdir/replay.img"
    "$clients/logdump" --replay "$tmpdir/replay.img" "$log"
    ok "round $round: what was flushed is in it" cmp -n $((3 << 20)) -i $((1 << 20)) \
        "$tmpdir/replay.img" "$tmpdir/disk.img"
    counted=$(entries | wc -l)
    whole=$(entries --whole | wc -l)
    diag "$counted entries counted, $whole there"

    start_logwrites l logwrites-append=true
    ok "round $round: no entry that was there is missing" \
        eval "[ \$(query l entries) -ge $whole ]"
done
stop_nbdkit l
is "$(last_entry)" '0+0 MARK logwrites-end' "the log has an end"
done_testing
