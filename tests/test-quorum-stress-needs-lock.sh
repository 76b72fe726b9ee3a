#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The stress test would notice if overlapping requests were not kept apart: over
# a quorum that was built with a lock that locks nothing, the children diverge
# and clients read what cannot be.
. "${0%/*}/quorum-fault-functions.sh"

quorum_plugin=$abs_top_builddir/tests/modules/.libs/nbdkit-unlocked-plugin.so

# A race: usually the first round shows it.
diverged() { ! cmp -s "$tmpdir/1.raw" "$tmpdir/2.raw" || ! cmp -s "$tmpdir/1.raw" "$tmpdir/3.raw"; }
children_differ=no differences_reported=no
for ((round = 1; round <= 10; round++)); do
    three_images 1M
    start_quorum q "$tmpdir"/{1,2,3}.raw
    watch_events q
    stress q --requests=4000 --allow-errors --largest=16k --size=256k > "$tmpdir/.out" 2>&1
    [ "$(all_counted mismatches)" -eq 0 ] || differences_reported=yes
    stop_nbdkit q
    diverged && children_differ=yes
    SEED=$((SEED + 1))
    [ $children_differ$differences_reported = yesyes ] && break
done
diag "after $round rounds"
is $children_differ yes "without the lock the children diverge"
is $differences_reported yes "and votes find them unequal"
done_testing
