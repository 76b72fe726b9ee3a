#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A device that is wrong everywhere: all mismatches are counted, a bounded number
# is kept (the first ones and the newest), and the log stays short.
. "${0%/*}/blkverify-functions.sh"

two_images 1M
pattern_image "$tmpdir/raw.raw" 1M 1
start_blkverify v blkverify-on-mismatch=report
watch_events v
reads=()
for ((i = 0; i < 1000; i++)); do reads+=(-c "read $((i * 512)) 512"); done
ok "a thousand reads" qemu_io v "${reads[@]}"
is "$(mismatches)" 1000 "a thousand mismatches"
control query-mismatches
numbers=$(perl -MJSON::PP -e 'my @n = map { $_->{number} } @{decode_json(<STDIN>)->{return}};
    print scalar @n, " $n[0] $n[127] $n[128] $n[-1]"' <<< "$answer")
is "$numbers" "256 1 128 873 1000" "the first 128 and the newest 128 are kept"
lines=$(grep -c 'mismatch' "$tmpdir/v.log")
ok "the log has about a hundred lines ($lines)" test "$lines" -ge 100 -a "$lines" -le 130
count=$(events '^other BLKVERIFY_MISMATCH' | wc -l)
ok "events are limited to one a second ($count)" test "$count" -ge 1 -a "$count" -le 60
stop_nbdkit v
like "$(cat "$tmpdir/v.log")" 'blkverify: 1000 mismatches;' "the summary has all"
done_testing
