#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A child that is a command: when its server is killed it is started again, and
# given what it missed.
. "${0%/*}/quorum-fault-functions.sh"

three_images 4M
start_quorum q "$tmpdir/1.raw" "[ nbdkit -f -P $tmpdir/child.pid file $tmpdir/2.raw ]" \
    "$tmpdir/3.raw" quorum-timeout=3s
watch_events q
ok "a write" qemu_io q -c 'write -P 0xc1 0 1M'
for round in 1 2; do
    pid=$(cat "$tmpdir/child.pid")
    rm "$tmpdir/child.pid"
    stress_begins q --offset=2M --requests=4000
    kill -KILL "$pid"
    wait_for 10 is_gone "$pid"
    ok "round $round: a write meanwhile" qemu_io q -c "write -P 0xd$round 1M 64k"
    stress_ends "round $round: what was read is right"
    recovers "round $round: the child comes back"
    isnt "$(cat "$tmpdir/child.pid")" "$pid" "round $round: it is another process"
    ok "round $round: the data are right" qemu_io q -c 'read -P 0xc1 0 1M' \
        -c "read -P 0xd$round 1M 64k"
    identical "round $round: the children are equal"
done
never_differed "nobody was called a liar"
pid=$(cat "$tmpdir/child.pid")
stop_nbdkit q
ok "the command ends with the server" wait_for 10 is_gone "$pid"
done_testing
