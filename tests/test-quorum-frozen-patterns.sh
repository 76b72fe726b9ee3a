#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A frozen child and the three read patterns: the fastest answers do not wait at
# all; the first child is waited for once; so is a vote.
. "${0%/*}/quorum-fault-functions.sh"

# It is child 0 that freezes: the one that read-pattern=fifo asks.  The clients
# are read-only (-r): others end with a flush, which does wait once.
for pattern in fastest fifo quorum; do
    for i in 1 2 3; do random_image "$tmpdir/$i.raw" 1M 7; done
    serve_image one "$tmpdir/1.raw"
    threshold=2
    [ $pattern = fifo ] && threshold=1
    start_quorum $pattern "$(uri_of one)" "$tmpdir/2.raw" "$tmpdir/3.raw" \
        quorum-read-pattern=$pattern quorum-threshold=$threshold quorum-timeout=3s
    watch_events $pattern
    ok "$pattern: a read" qemu_io $pattern -r -c 'read 0 64k'
    freeze "$(pid_of one)"
    if [ $pattern = fastest ]; then
        within 1500 "$pattern: a read does not wait" qemu_io $pattern -r -c 'read 0 64k'
        within 1500 "$pattern: nor does the next" qemu_io $pattern -r -c 'read 64k 64k'
    else
        within 8000 "$pattern: a read waits" qemu_io $pattern -r -c 'read 0 64k'
        ok "$pattern: for the timeout" test "$elapsed" -ge 2900
        within 1500 "$pattern: the next does not" qemu_io $pattern -r -c 'read 64k 64k'
    fi
    thaw "$(pid_of one)"
    recovers "$pattern: the child comes back"
    never_differed "$pattern: nobody was called a liar"
    stop_nbdkit $pattern
    stop_nbdkit one
done
done_testing
