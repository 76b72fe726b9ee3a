#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The quorum's own server is killed, under load.  Everything that was flushed is
# on the children, and a new server goes on with them.
. "${0%/*}/quorum-fault-functions.sh"

three_images 4M
serve_image two "$tmpdir/2.raw"
launch()
{
    start_quorum q "$tmpdir/1.raw" "$(uri_of two)" "$tmpdir/3.raw"
    watch_events q
}
launch
for round in 1 2 3; do
    ok "round $round: a write and a flush" qemu_io q -c "write -P 0xa$round 2M 1M" -c flush
    stress_begins q --size=1M --requests=0 --seconds=20 --allow-errors --allow-disconnect
    wait_for 10 all_at_least writes 50
    sleep "0.$((RANDOM % 4 + 1))"
    kill_nbdkit q
    stress_ends "round $round: what was read is right"
    if is_gone "$(pid_of two)"; then
        # nbdkit 1.32 may abort when a client goes away with replies to be sent.
        diag "the child server died with it"
        restart_image two "$tmpdir/2.raw"
    fi
    for i in 1 2 3; do
        ok "round $round: child $i holds what was flushed" holds "$tmpdir/$i.raw" 0xa$round 2M 1M
    done
    launch
    ok "round $round: a new server reads it" qemu_io q -c "read -P 0xa$round 2M 1M"
    # Where writes were under way the children may differ, and are made equal.
    ok "round $round: and can write everywhere" qemu_io q -c 'write -P 0xb0 0 1M'
    identical "round $round: the children are equal"
done
done_testing
