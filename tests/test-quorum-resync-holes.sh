#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A resync of a large sparse device reads what there is, not its holes; the new child
# holds the same afterwards, whatever it held before.
. "${0%/*}/quorum-fault-functions.sh"
requires_nbdkit_filter log

for i in 1 2 3; do empty_image "$tmpdir/$i.raw" 1G; done
for i in 1 2; do
    overwrite "$tmpdir/$i.raw" 0x41 5M 1M
    overwrite "$tmpdir/$i.raw" 0x42 700M 4K
    overwrite "$tmpdir/$i.raw" 0x43 1048572K 4K
done
for at in 0 5M 300M 699M 1020M; do overwrite "$tmpdir/3.raw" 0xee $at 2M; done
start_nbdkit one --filter=log file "$tmpdir/1.raw" logfile="$tmpdir/one.requests"
start_nbdkit two --filter=log file "$tmpdir/2.raw" logfile="$tmpdir/two.requests"
start_quorum q "$(uri_of one)" "$(uri_of two)" quorum-threshold=2
watch_events q
does "a child is added" child-add spec="$tmpdir/3.raw"
recovers "it is filled" 120
is "$(child_value children.2 counters/resynced-bytes)" $((1 << 30)) "all of it"

# bytes_read NAME: from a source
bytes_read()
{
    perl -ne 'next unless /\bRead .*\bcount=0x([0-9a-f]+)/; $sum += hex $1; END { print $sum + 0 }' \
        "$tmpdir/$1.requests"
}
for i in one two; do
    ok "$i: what was read ($(bytes_read $i) bytes) is no more than the data, and their neighbours" \
        test "$(bytes_read $i)" -le $((4 << 20)) -a "$(bytes_read $i)" -ge $((1 << 20))
done
identical "the children are equal"
used=$(($(stat -c '%b * %B' "$tmpdir/3.raw")))
ok "what it held in the holes is gone ($used bytes are left)" test "$used" -le $((4 << 20))
never_differed "nobody was called a liar"
done_testing
