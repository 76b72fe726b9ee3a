#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A child that missed an acknowledged write is not believed there, until it has
# been copied.  (In QEMU, fifo reads the old data of child 0 here, and with two
# children and threshold 1 the old data of child 1 win the vote.)
. "${0%/*}/quorum-functions.sh"

three_images 128K 0x41
start_faulty bad "$tmpdir/1.raw"

start_quorum fifo "$(uri_of bad)" "$tmpdir/2.raw" "$tmpdir/3.raw" quorum-threshold=1 \
    quorum-read-pattern=fifo
watch_events fifo
control resync-pause child=children.0
set_faults bad 'write EIO'
ok "fifo: child 0 misses a write" qemu_io fifo -c 'write -P 0x42 0 4k'
set_faults bad
ok "fifo: child 0 holds old data" holds "$tmpdir/1.raw" 0x41 0 4K
ok "fifo: the new data are read" qemu_io fifo -c 'read -P 0x42 0 4k'
is "$(child_value children.0 counters/reads)" 0 "fifo: child 0 is not asked there"
ok "fifo: it is believed elsewhere" qemu_io fifo -c 'read -P 0x41 64k 4k'
is "$(child_value children.0 counters/reads)" 1 "fifo: and asked"
does "fifo: the resync goes on" resync-resume child=children.0
ok "fifo: child 0 is whole again" wait_for 10 child_value_is children.0 stale-bytes 0
ok "fifo: it holds the new data" holds "$tmpdir/1.raw" 0x42 0 4K
stop_nbdkit fifo

overwrite "$tmpdir/1.raw" 0x41 0 128K
overwrite "$tmpdir/2.raw" 0x41 0 128K
start_quorum two "$tmpdir/2.raw" "$(uri_of bad)" quorum-threshold=1
watch_events two
control resync-pause child=children.1
set_faults bad 'write EIO'
ok "two: child 1 misses a write" qemu_io two -c 'write -P 0x42 0 4k'
ok "two: child 1 holds old data" holds "$tmpdir/1.raw" 0x41 0 4K
ok "two: the new data are read" qemu_io two -c 'read -P 0x42 0 4k'

done_testing
