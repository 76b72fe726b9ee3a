#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# By itself a memory is kept beside each child that is a file on a disk, so that another
# machine can take over; where there is no such place that is said.
. "${0%/*}/quorum-functions.sh"

# The folder of the tests may be in memory; here it must not be.
work=$(mktemp -d "$abs_top_builddir/tests/memory.XXXXXX") || bail_out "no folder"
cleanup_fn rm -rf "$work"
case $(stat -f -c %T "$work") in
    tmpfs | ramfs) skip_all "no disk here" ;;
esac
disks=()
for i in 1 2 3; do
    empty_image "$work/$i.raw" 4M
    disks+=("$work/$i.raw")
done

start_quorum q "${disks[@]}" quorum-memory=auto
ok "it is written" qemu_io q -c 'write -P 9 0 64k' -c flush
for i in 1 2 3; do
    ok "there is a copy beside child $i" test -s "$work/$i.raw.quorum"
    is "$(stat -c %a "$work/$i.raw.quorum")" 600 "for its owner alone"
done
kill_nbdkit q
mv "$work/3.raw" "$work/away"
start_quorum q "${disks[@]}" quorum-memory=auto
ok "it starts without the third file" qemu_io q -c 'read -P 9 0 64k' -c 'write -P 8 64k 64k' -c flush
kill_nbdkit q
mv "$work/away" "$work/3.raw"
# Another machine has the three files, and what is beside them.
start_quorum q "${disks[@]}" quorum-memory=auto
watch_events q
ok "who has missed something is not believed" qemu_io q -c 'read -P 8 64k 64k'
ok "and gets it" wait_for 10 cmp -s "$work/1.raw" "$work/3.raw"
kill_nbdkit q

rm "$work/1.raw.quorum"
start_quorum q "${disks[@]}" quorum-memory=auto
ok "a copy that was removed is made again" test -s "$work/1.raw.quorum"
stop_nbdkit q
rm "$work/1.raw.quorum" "$work/2.raw.quorum"
refuses_to_start "one of three copies may be an old one" \
    '1 of 3 copies are there, and 2 are needed' "${disks[@]}" quorum-memory=auto
rm "$work/3.raw.quorum"

refuses_to_start "a new set is made with all its children" \
    'this is a new set .*quorum-create=degraded' "$work/1.raw" "$work/2.raw" "$work/misspelt" \
    quorum-memory=auto
fails "nothing was made" ls "$work/"*.quorum
start_quorum q "$work/1.raw" "$work/2.raw" "$work/misspelt" quorum-memory=auto \
    quorum-create=degraded
pass "unless one says so"
stop_nbdkit q

for i in 1 2; do start_nbdkit "n$i" memory 4M; done
start_quorum q "$(uri_of n1)" "$(uri_of n2)" quorum-memory=auto
like "$(cat "$tmpdir/q.log")" 'there is no place for a memory' "no place is no secret"
stop_nbdkit q
done_testing
