#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A frozen child does not keep the server from ending.
. "${0%/*}/quorum-fault-functions.sh"

for state in idle busy; do
    three_images 1M
    serve_image two "$tmpdir/2.raw"
    start_quorum "$state" "$tmpdir/1.raw" "$(uri_of two)" "$tmpdir/3.raw" quorum-timeout=2s
    ok "$state: it works" qemu_io "$state" -c 'write -P 1 0 64k'
    freeze "$(pid_of two)"
    if [ $state = busy ]; then
        stress_begins "$state" --allow-errors --allow-disconnect --requests=0 --seconds=3
        wait_for 10 grep -q 'online -> suspect' "$tmpdir/$state.log"
    fi
    milliseconds stop_nbdkit "$state" 20
    is $? 0 "$state: SIGTERM ends the server"
    ok "$state: in bounded time ($elapsed ms)" test $elapsed -lt 10000
    [ $state = idle ] || stress_ends "$state: what was read is right"
    thaw "$(pid_of two)"
    stop_nbdkit two
done
done_testing
