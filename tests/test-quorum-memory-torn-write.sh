#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Where a write was under way when everything went, a read gives one version, and from
# then on always that one, also of two members.  Without a memory a person can say whose
# content counts.
. "${0%/*}/quorum-fault-functions.sh"

two_images() { for i in 1 2; do pattern_image "$tmpdir/$i.raw" 4M 1; done; }
disks=("$tmpdir/1.raw" "$tmpdir/2.raw")

two_images
start_quorum q "${disks[@]}" quorum-memory="$tmpdir/memory"
ok "a write" qemu_io q -c 'write -P 2 32k 4k'
kill_nbdkit q
overwrite "$tmpdir/1.raw" 1 32K 4K # it was on its way, and did not come that far
start_quorum q "${disks[@]}" quorum-memory="$tmpdir/memory"
ok "one version is read" qemu_io q -c 'read -P 1 32k 4k'
ok "and both have it" wait_for 10 cmp -s "${disks[@]}"
ok "it stays" qemu_io q -c 'read -P 1 32k 4k'
stop_nbdkit q

two_images
overwrite "$tmpdir/2.raw" 2 32K 4K
start_quorum q "${disks[@]}"
watch_events q
fails "without a memory nobody knows" qemu_io q -c 'read 32k 4k'
does "but somebody may" settle source=children.1 offset=32768 length=4096
ok "it is read" qemu_io q -c 'read -P 2 32k 4k' -c 'read -P 1 0 32k'
ok "and both have it" wait_for 10 cmp -s "${disks[@]}"
refuses "nobody has that name" "Node 'quorum' does not have child 'z'" settle source=z
stop_nbdkit q
done_testing
