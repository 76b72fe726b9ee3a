#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2086
# A secondary that is frozen costs the guest one timeout, and then nothing; when it
# thaws the pair is brought in order without help.
. "${0%/*}/replication-pair-functions.sh"

for protocol in sync async; do
    random_image "$tmpdir/a.disk" 16M 1
    empty_image "$tmpdir/b.disk" 16M
    rm -f "$tmpdir"/?.disk.replication "$run"/*
    start_secondary b
    start_primary a b replication-protocol=$protocol replication-timeout=1s
    on a
    in_sync_comes "$protocol: in sync"
    freeze "$(pid_of b)"
    within 2500 "$protocol: a write" guest_io a 'write -P 0x22 0 64k' flush
    phase_comes "$protocol: the silence is noticed" connecting
    within 800 "$protocol: the next write does not wait" guest_io a 'write -P 0x23 1M 64k' flush
    within 1500 "$protocol: nor does a checkpoint" eval '! control replication-checkpoint'
    control query-replication
    ok "$protocol: it is counted" [ $(($(value return/counters/timeouts) + $(value return/counters/unanswered))) -gt 0 ]
    ok "$protocol: reads go on" guest_io a 'read -P 0x22 0 64k'
    thaw "$(pid_of b)"
    in_sync_comes "$protocol: thawed, it is brought up to date"
    does "$protocol: a checkpoint" replication-checkpoint
    freeze "$(pid_of b)"
    stop_nbdkit a
    is $? 0 "$protocol: the primary ends while it is frozen"
    thaw "$(pid_of b)"
    stop_nbdkit b
    same_content "$tmpdir/a.disk" "$tmpdir/b.disk" "$protocol: the disks are equal"
done
done_testing
