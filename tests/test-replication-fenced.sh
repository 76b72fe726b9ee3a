#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2086
# The secondary is promoted while the primary is alive: the primary acknowledges nothing
# any more, says why, and does not start again.
. "${0%/*}/replication-pair-functions.sh"

for protocol in sync async; do
    pattern_image "$tmpdir/a.disk" 16M 0x11
    empty_image "$tmpdir/b.disk" 16M
    rm -f "$tmpdir"/?.disk.replication "$run"/*
    start_standby b
    start_primary a b replication-protocol=$protocol
    on a
    in_sync_comes "$protocol: in sync"
    does "$protocol: a checkpoint" replication-checkpoint
    on b
    does "$protocol: a failover, with the primary alive" replication-failover
    state_comes "$protocol: ends" "done"
    on a
    if [ $protocol = sync ]; then
        fails_like "sync: the very next write is refused" 'write failed' guest_io a 'write -P 0x22 0 64k'
    fi
    phase_comes "$protocol: the primary is fenced" fenced
    fails_like "$protocol: a write is refused" 'write failed' guest_io a 'write -P 0x22 0 64k'
    fails_like "$protocol: so is a flush" 'flush failed|failed' guest_io a 'write 0 512' flush
    like "$(replication_value reason)" 'was promoted to primary in epoch 2' "$protocol: with the reason"
    ok "$protocol: the new primary serves" view_io b 'write -P 0x44 1M 64k' 'read -P 0x11 0 64k'
    kill_nbdkit a
    primary_refused "$protocol: it does not start again" \
        'refuses this side \(stale-epoch\): this side was promoted to primary in epoch 2' a b
    primary_refused "$protocol: not even alone" 'stale-epoch' a b replication-alone=true
    stop_nbdkit b
    ok "$protocol: nothing of it came here" holds "$tmpdir/b.disk" 0x11 0 1M
done
done_testing
