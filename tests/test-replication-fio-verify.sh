#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# shellcheck disable=SC2086
# timeout: 600
# fio with verification while the secondary is frozen, killed and comes back, in both
# protocols and with a backlog that is too small; then the disks are equal, and what fio
# has written is verified on the secondary after a failover.
. "${0%/*}/replication-pair-functions.sh"
requires fio

fio_on() # NAME MODE ARGUMENT...
{
    timeout 200 fio --name=load --ioengine=nbd --uri="$(uri_of "$1")" --rw="$2" --bsrange=4k-64k \
        --ba=4k --iodepth=8 --size=64M --verify=crc32c --verify_fatal=1 --verify_state_save=0 \
        --randseed=7 "${@:3}" \
        > "$tmpdir/fio.log" 2>&1
}
for what in "sync resync" "async wait" "async resync"; do
    read -r protocol full <<< "$what"
    empty_image "$tmpdir/a.disk" 64M
    empty_image "$tmpdir/b.disk" 64M
    rm -f "$tmpdir"/?.disk.replication "$run"/*
    start_standby b
    start_primary a b replication-protocol=$protocol replication-backlog-full=$full \
        replication-backlog=1M replication-timeout=1s replication-checkpoint-interval=200ms
    on a
    in_sync_comes "$what: in sync"
    fio_on a randwrite --do_verify=1 --loops=2 --rate=20m &
    load=$!
    at_exit_kill $load
    sleep_until() { [ "$(replication_value counters/writes)" -gt "$1" ]; }
    wait_for 60 sleep_until 200
    freeze "$(pid_of b)"
    wait_for 60 sleep_until 500
    thaw "$(pid_of b)"
    wait_for 3 replication_value_is phase connecting
    kill_nbdkit b
    wait_for 60 sleep_until 900
    start_standby b
    wait $load
    is $? 0 "$what: fio has verified all of it" || diag "$(tail -n 5 "$tmpdir/fio.log")"
    in_sync_comes "$what: in sync in the end"
    does "$what: a checkpoint" replication-checkpoint
    number "$what: lost sessions were counted" secondary/sessions -ge 2
    kill_nbdkit a
    on b
    does "$what: failover" replication-failover
    state_comes "$what: ends" "done"
    ok "$what: fio verifies the secondary" fio_on b randwrite --verify_only=1 --loops=1
    stop_nbdkit b
done
done_testing
