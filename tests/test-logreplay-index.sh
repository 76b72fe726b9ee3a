#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The index beside the log is a help and nothing else: damaged in any bit, of
# another log, or not to be written, the states are the same.
. "${0%/*}/logreplay-functions.sh"
requires_root

make_log 'write:0:8:1' 'mark:here' 'flush' 'write:8:8:2' 'write:0:2:3' 'flush'
cp "$log" "$tmpdir/first"
good()
{
    start_logreplay r
    [ "$(checksum r mark:here) $(checksum r flush:1) $(checksum r end)" = "$sums" ]
    local status=$?
    stop_nbdkit r
    return $status
}
start_logreplay r
sums="$(checksum r mark:here) $(checksum r flush:1) $(checksum r end)"
stop_nbdkit r
ok "an index is made" test -s "$log.idx"
cp "$log.idx" "$tmpdir/good.idx"
ok "and used" good

size=$(stat -c %s "$log.idx")
bad=() step=7
[ -z "${NBDRES_QUICK:-}" ] || step=37
for ((byte = 0; byte < size; byte += step)); do
    cp "$tmpdir/good.idx" "$log.idx"
    perl -e 'open my $f, "+<:raw", $ARGV[0] or die; seek $f, $ARGV[1], 0; read $f, my $c, 1;
        seek $f, $ARGV[1], 0; print $f $c ^ chr(1 << $ARGV[1] % 8)' "$log.idx" "$byte"
    good || bad+=("$byte")
done
is "${bad[*]}" "" "a flipped bit in every ${step}th of $size bytes"
head -c $((size / 2)) "$tmpdir/good.idx" > "$log.idx"
ok "half of it" good
rm "$log.idx" && mkdir "$log.idx"
ok "something else in its place" good
rmdir "$log.idx"

# Another log of the same length, with the old index and the old times.
make_log 'write:0:8:5' 'mark:here' 'flush' 'write:8:8:6' 'write:0:2:7' 'flush'
touch -r "$tmpdir/first" "$log"
cp -p "$tmpdir/good.idx" "$log.idx"
start_logreplay r
ok "of another log" state_io r end 'read -P 7 0 1k' 'read -P 5 1k 3k' 'read -P 6 4k 4k'
stop_nbdkit r
done_testing
