#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Two of three disks were replaced and are half filled when the server ends: the last
# good copy is not outvoted by zeroes, and not healed with them.
. "${0%/*}/quorum-functions.sh"

for i in a b c d e; do
    empty_image "$tmpdir/$i.raw" 16M
    start_nbdkit "n$i" file "$tmpdir/$i.raw"
done
memory=quorum-memory=$tmpdir/q.memory
start_quorum q quorum-child.a="$(uri_of na)" quorum-child.b="$(uri_of nb)" \
    quorum-child.c="$(uri_of nc)" "$memory" quorum-resync-rate=1M
watch_events q
ok "it is filled" qemu_io q -c 'write -P 7 0 16M' -c flush
for pair in "c d" "b e"; do
    old=${pair% *} new=${pair#* }
    kill_nbdkit "n$old"
    does "a new disk for $old" child-add spec="$(uri_of "n$new")" name="$new"
    control child-remove child="$old"
done
kill_nbdkit q
new=(quorum-child.a="$(uri_of na)" quorum-child.d="$(uri_of nd)" quorum-child.e="$(uri_of ne)")
refuses_to_start "one member is current, that is too few" \
    "1 of the members.*'a' is current; 'd' is filling since" "${new[@]}" "$memory" \
    quorum-rewrite-corrupted=true
ok "the last good copy is as it was" holds "$tmpdir/a.raw" 7 0 16M
start_quorum q "${new[@]}" "$memory" quorum-rewrite-corrupted=true quorum-force-start=a
ok "told whose content is the truth it starts" qemu_io q -c 'read -P 7 14M 1M'
for i in d e; do
    ok "$i gets it" wait_for 20 cmp -s "$tmpdir/a.raw" "$tmpdir/$i.raw"
done
stop_nbdkit q
done_testing
