#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The filter over nbdkit's nbd plugin: the server below dies and comes back.  It is seen
# to be away, is used again when it is back, and gets what it has missed.
. "${0%/*}/quorum-fault-functions.sh"

three_images 8M
below() { start_nbdkit below file "$tmpdir/1.raw"; }
below
start_nbdkit q --filter="$quorum_filter" nbd socket="$tmpdir/below.sock" \
    quorum-child="$tmpdir/2.raw" quorum-child="$tmpdir/3.raw" quorum-control="$(control_of q)"
watch_events q
ok "it is written" qemu_io q -c 'write -P 1 0 1M' -c flush

for round in 1 2; do
    kill_nbdkit below
    ok "$round: the others serve" qemu_io q -c "write -P 1$round 2M 1M" -c "write -z 5M 64k" -c 'read -P 1 0 1M'
    ok "$round: that it is away is seen" \
        wait_for 10 child_value_is children.0 link down
    unlike "$(child_value children.0 state)" '^online$' "$round: and not called online"
    below
    recovers "$round: it is used again"
    is "$(child_value children.0 link)" up "$round: its link is up"
    ok "$round: it is written" qemu_io q -c "write -P 2$round 4M 1M" -c flush
    ok "$round: it is equal to the second" cmp "$tmpdir/1.raw" "$tmpdir/2.raw"
done
ok "the second is equal to the third" cmp "$tmpdir/2.raw" "$tmpdir/3.raw"
stop_nbdkit q
is $? 0 "it ends"
done_testing
