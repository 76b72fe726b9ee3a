#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A member that is away at the start and comes later: the same disk gets only what it has
# missed, another one is foreign.
. "${0%/*}/quorum-foreign-functions.sh"

three_images 16M 7
children=(quorum-child.a="$tmpdir/1.raw" quorum-child.b="$tmpdir/2.raw"
    quorum-child.c="$tmpdir/3.raw" "$memory")
start_quorum q "${children[@]}"
watch_events q
fills "it is written" 8 0 1M
stop_nbdkit q
for which in same other; do
    mv "$tmpdir/3.raw" "$tmpdir/away"
    [ "$which" = same ] || pattern_image "$tmpdir/away" 16M 66
    start_quorum q "${children[@]}"
    watch_events q
    ok "$which: it goes on without one" qemu_io q -c 'write -P 9 2M 64k' -c flush
    mv "$tmpdir/away" "$tmpdir/3.raw"
    if [ "$which" = other ]; then
        is_foreign "another disk is foreign" c
    else
        recovers "the same disk comes back"
        copied=$(child_value c counters/resynced-bytes)
        ok "and gets what it has missed ($copied bytes)" [ "$copied" -le 1048576 ]
        qemu_io q -c flush > /dev/null
        ok "so that it has all" cmp "$tmpdir/1.raw" "$tmpdir/3.raw"
        wait_for 20 is_learned
    fi
    stop_nbdkit q
done
done_testing
