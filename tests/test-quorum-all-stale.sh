#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Three writes of 4 KiB in one granule, each missed by another child: all three are stale
# there, and each sector has two good copies.  It can be read at once, and the resync
# makes all children whole.
. "${0%/*}/quorum-fault-functions.sh"

for pattern in quorum fastest fifo; do
    three_images 1M 0x41
    list=()
    for i in 1 2 3; do
        start_faulty "bad$i" "$tmpdir/$i.raw"
        list+=("$(uri_of "bad$i")")
    done
    start_quorum "$pattern" "${list[@]}" quorum-read-pattern=$pattern
    watch_events "$pattern"
    for i in 0 1 2; do control resync-pause "child=children.$i"; done
    for i in 1 2 3; do
        set_faults "bad$i" 'write EIO'
        ok "$pattern: child $i misses a write" \
            qemu_io "$pattern" -c "write -P 0x5$i $((i * 8))k 4k"
        set_faults "bad$i"
        is "$(child_value "children.$((i - 1))" stale-bytes)" 65536 "$pattern: it is stale"
    done
    for i in 1 2 3; do
        ok "$pattern: write $i can be read" qemu_io "$pattern" -c "read -P 0x5$i $((i * 8))k 4k"
    done
    ok "$pattern: what nobody wrote, too" qemu_io "$pattern" -c 'read -P 0x41 32k 32k'
    ok "$pattern: all of it in one read" qemu_io "$pattern" -c 'read 0 1M'
    set_faults bad1 'read EIO'
    fails "$pattern: one copy alone is not believed" qemu_io "$pattern" -c 'read 16k 4k'
    ok "$pattern: two are" qemu_io "$pattern" -c 'read -P 0x51 8k 4k'
    set_faults bad1
    for i in 0 1 2; do control resync-resume "child=children.$i"; done
    recovers "$pattern: all are whole again"
    identical "$pattern: and equal"
    for i in 1 2 3; do
        ok "$pattern: with write $i" holds "$tmpdir/1.raw" "0x5$i" "$((i * 8))K" 4K
    done
    never_differed "$pattern: nobody was accused"
    for name in "$pattern" bad1 bad2 bad3; do stop_nbdkit "$name"; done
done
done_testing
