#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Rewriting what lost a vote never undoes a write: a child is corrupted again and
# again behind the quorum's back, where clients write at the same time.
. "${0%/*}/quorum-fault-functions.sh"

for pattern in quorum fastest; do
    three_images 256K
    serve_image two "$tmpdir/2.raw"
    start_quorum $pattern "$tmpdir/1.raw" "$(uri_of two)" "$tmpdir/3.raw" \
        quorum-rewrite-corrupted=true quorum-read-pattern=$pattern
    watch_events $pattern
    stress_begins $pattern --size=256k --requests=0 --seconds=6 --read-percent=60
    while stress_runs; do
        overwrite "$tmpdir/2.raw" 0xff $(((RANDOM % 500) * 512)) $(((RANDOM % 8 + 1) * 512))
    done
    stress_ends "$pattern: what was read is right"
    ok "$pattern: there was something to heal" child_at_least children.1 counters/rewrites 1
    diag "rewritten: $(child_value children.1 counters/rewrites)"
    is "$(child_value children.0 counters/mismatches)+$(child_value children.2 counters/mismatches)" \
        0+0 "$pattern: the healthy children never lost a vote"
    # What was corrupted last is found by reading everything.
    ok "$pattern: everything is read once more" qemu_io $pattern -r -c 'read 0 256k'
    all_equal()
    {
        cmp -s "$tmpdir/1.raw" "$tmpdir/3.raw" || return
        perl -e 'local $/ = \512; open($a, "<", $ARGV[0]); open($b, "<", $ARGV[1]);
            while (defined($x = <$a>)) { $y = <$b>; $x eq $y || $x !~ /[^\0]/ || exit 1 }' \
            "$tmpdir/1.raw" "$tmpdir/2.raw"
    }
    ok "$pattern: the children are equal, but where zeroes won" wait_for 10 all_equal
    stop_nbdkit $pattern
    stop_nbdkit two
done
done_testing
