#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Where 64 KiB have no majority as a whole each sector may have one: three replicas, each
# with another sector that it has wrong, or cannot read.
. "${0%/*}/quorum-functions.sh"
requires_command "nbdcopy is missing" nbdcopy --version

damage_images()
{
    three_images 1M 0x41
    overwrite "$tmpdir/1.raw" 0x42 0 4K       # never written there
    overwrite "$tmpdir/2.raw" 0x43 16K 4K     # flipped
    overwrite "$tmpdir/3.raw" 0x44 32K 4K     # a write that got to it alone
    overwrite "$tmpdir/3.raw" 0x44 60K 8K     # across two granules
}

for pattern in quorum fastest; do
    damage_images
    start_quorum "$pattern" "$tmpdir"/{1,2,3}.raw quorum-read-pattern=$pattern
    watch_events "$pattern"
    ok "$pattern: 64 KiB can be read" qemu_io "$pattern" -c 'read -P 0x41 0 64k'
    ok "$pattern: all of it can be read" qemu_io "$pattern" -c 'read -P 0x41 0 1M'
    ok "$pattern: and copied" nbdcopy "$(uri_of "$pattern")" "$tmpdir/copy.raw"
    ok "$pattern: the copy is right" holds "$tmpdir/copy.raw" 0x41 0 1M
    for i in 0 1 2; do
        isnt "$(child_value "children.$i" counters/mismatches)" 0 "$pattern: child $i is reported"
    done
    unlike "$(events)" FAILURE "$pattern: nothing failed"
    stop_nbdkit "$pattern"
done

damage_images
start_quorum heals "$tmpdir"/{1,2,3}.raw quorum-rewrite-corrupted=true
watch_events heals
ok "rewrite-corrupted: a read" qemu_io heals -c 'read -P 0x41 0 1M'
for i in 1 2 3; do ok "heals $i.raw" holds "$tmpdir/$i.raw" 0x41 0 1M; done
stop_nbdkit heals

three_images 1M 0x41
list=()
for i in 1 2 3; do
    start_faulty "bad$i" "$tmpdir/$i.raw"
    set_faults "bad$i" "read EIO $((i * 20))"
    list+=("$(uri_of "bad$i")")
done
start_quorum unreadable "${list[@]}"
watch_events unreadable
ok "bad sectors in three places: 64 KiB can be read" qemu_io unreadable -c 'read -P 0x41 0 64k'
set_faults bad2 'read EIO 20'
fails "two children that cannot read the same sector are too many" \
    qemu_io unreadable -c 'read 0 64k'
ok "the rest can still be read" qemu_io unreadable -c 'read -P 0x41 0 10k'
done_testing
