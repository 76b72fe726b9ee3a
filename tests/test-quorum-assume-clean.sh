#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# When all links break at once, and nothing is kept of what had not been flushed, no
# child is current there, and nobody can say who is right: reads fail until a person
# says so.
. "${0%/*}/quorum-functions.sh"
requires nbdkit qemu-io nbdcopy

for i in 0 1 2; do
    pattern_image "$tmpdir/img$i" 1M 0x00
    start_nbdkit "s$i" file "$tmpdir/img$i"
done
start_quorum q "$(uri_of s0)" "$(uri_of s1)" "$(uri_of s2)" quorum-timeout=2s \
    quorum-unflushed-limit=0
watch_events q

pattern_image "$tmpdir/new" 1M 0x77
# qemu-io flushes when it ends; nbdcopy does not, unless told to.
ok "something is written and not flushed" \
    timeout 60 nbdcopy --sparse=0 "$tmpdir/new" "$(uri_of q)"
for i in 0 1 2; do
    kill_nbdkit "s$i"
done
for i in 0 1 2; do
    ok "child $i is set aside" wait_for 10 child_value_is "children.$i" state aside
    start_nbdkit "s$i" file "$tmpdir/img$i"
done
for i in 0 1 2; do
    ok "child $i is back" wait_for 20 child_value_is "children.$i" state online
    is "$(child_value "children.$i" stale-bytes)" 1048576 "and stale where it was written"
done
fails "the range cannot be read: nobody is current there" qemu_io q -c 'read 64k 4k'
for i in 0 1 2; do
    does "child $i is believed" assume-clean child="children.$i"
    is "$(child_value "children.$i" stale-bytes)" 0 "and no longer stale"
done
ok "now the range can be read" qemu_io q -c 'read -P 0x77 64k 64k'

done_testing
