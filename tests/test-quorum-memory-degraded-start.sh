#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A set that has run starts again without one of its members, a file or a server; the
# member comes back later and gets what it has missed.  With too few it does not start,
# and says who is what.
. "${0%/*}/quorum-fault-functions.sh"

three_images 4M
for i in 1 2 3; do start_nbdkit "n$i" file "$tmpdir/$i.raw"; done
memory=quorum-memory=$tmpdir/q.memory
servers=(quorum-child.a="$(uri_of n1)" quorum-child.b="$(uri_of n2)" quorum-child.c="$(uri_of n3)")

start_quorum q "${servers[@]}" "$memory"
ok "it is written" qemu_io q -c 'write -P 9 0 64k' -c flush
kill_nbdkit q
kill_nbdkit n3
start_quorum q "${servers[@]}" "$memory"
pass "it starts without a server"
ok "what was written is there" qemu_io q -c 'read -P 9 0 64k'
ok "it is written on" qemu_io q -c 'write -P 8 1M 64k' -c flush
like "$(cat "$tmpdir/q.log")" "'c' is not there, the others go on without it" "it says so"
kill_nbdkit q
start_quorum q "${servers[@]}" "$memory"
watch_events q
start_nbdkit n3 file "$tmpdir/3.raw"
recovers "the server comes back"
ok "with what it has missed" cmp "$tmpdir/1.raw" "$tmpdir/3.raw"
stop_nbdkit q

kill_nbdkit n2
start_quorum q "${servers[@]}" "$memory"
ok "another one is missing, and it goes on" qemu_io q -c 'write -P 7 2M 64k' -c flush
kill_nbdkit q
kill_nbdkit n3
start_nbdkit n2 file "$tmpdir/2.raw"
refuses_to_start "one that is current is not enough" \
    "1 of the members.*'a' is current; 'b' is behind since .*; 'c' is current, and not there" \
    "${servers[@]}" "$memory"
ok "nothing was touched" holds "$tmpdir/2.raw" 0 2M 64k
start_quorum q "${servers[@]}" "$memory" quorum-force-start=a
ok "it can be forced" qemu_io q -c 'read -P 7 2M 64k' -c 'read -P 8 1M 64k'
ok "and the others get its content" wait_for 10 cmp -s "$tmpdir/1.raw" "$tmpdir/2.raw"
stop_nbdkit q
done_testing
