#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# One flipped byte in 1 GiB is found under concurrent, overlapping traffic, and
# nothing else is reported.
. "${0%/*}/blkverify-functions.sh"
requires nbdcopy

empty_image "$tmpdir/test.raw" 1G
empty_image "$tmpdir/raw.raw" 1G
place=$((700 * 1048576 + 12345))
printf '\001' | dd of="$tmpdir/test.raw" bs=1 seek=$place conv=notrunc status=none

start_blkverify v blkverify-on-mismatch=report
watch_events v
stress_begins v --requests=0 --seconds=300 --connections=2 --depth=8 --offset=64M --size=1M
ok "the whole device is read meanwhile" timeout 250 nbdcopy --no-extents "$(uri_of v)" null:
ok "the traffic goes on all the time" stress_runs
kill "$_stress"
wait "$_stress" 2> /dev/null
ok "all of it was compared, holes, too" test "$(status compared-bytes)" -ge $((1024 * 1048576))
is "$(mismatches)" 1 "one mismatch"
control query-mismatches
is "$(value return/0/position) $(value return/0/differing-bytes)" "$place 1" "it is that byte"
stop_nbdkit v
done_testing
