#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What is trimmed is the same on all children afterwards, also on one that takes no
# notice of trims: it reads as zeroes, and nobody is called a liar.
. "${0%/*}/quorum-functions.sh"
requires qemu-nbd

three_images 1M 0x31
start_qemu_nbd deaf --format=raw --discard=ignore "$tmpdir/2.raw"
start_nbdkit three file "$tmpdir/3.raw"
start_quorum q "$tmpdir/1.raw" "$(uri_of deaf)" "$(uri_of three)"
watch_events q
ok "a trim, not aligned to anything" qemu_io q -c 'discard 4608 500k' -c flush
ok "reads as zeroes" qemu_io q -c 'read -P 0 4608 500k' -c 'read -P 0x31 0 4608' \
    -c 'read -P 0x31 516608 1k'
for i in 1 2 3; do
    ok "child $i holds zeroes there" holds "$tmpdir/$i.raw" 0 4608 512000
done
ok "the first two are equal" cmp "$tmpdir/1.raw" "$tmpdir/2.raw"
ok "the third, too" cmp "$tmpdir/1.raw" "$tmpdir/3.raw"
is "$(events)" "" "no event"
done_testing
