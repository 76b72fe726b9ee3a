#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A compacted log has the same states in less space.
. "${0%/*}/nbdcrash-functions.sh"
. "${0%/*}/logwrites-functions.sh"
log=$tmpdir/sample
use_log fs/ext4-8m-barrier
out=$tmpdir/out
a=$tmpdir/a
b=$tmpdir/b

exits 0 "compact" crash compact "$log" "$out"
is "$(field flushes info "$out")" "$(field flushes info "$log")" "all flushes are there"
dropped=$(field dropped-entries compact "$log" "$out" --force)
for flush in {1..45..4}; do
    rm -f "$a" "$b"
    crash replay "$log" "$a" --to "flush:$flush" --size 8M > /dev/null
    crash replay "$out" "$b" --to "flush:$flush" --size 8M > /dev/null
    same_content "$a" "$b" "flush:$flush is the same"
done
note "$dropped entries changed nothing"

base=$tmpdir/base
exits 0 "with what is before flush:20 in a base" \
    crash compact "$log" "$out" --base flush:20 --base-image "$base" --force
crash replay "$log" "$a" --to flush:20 > /dev/null
same_content "$a" "$base" "the base is flush:20"
is "$(field flushes info "$out")" 25 "the other flushes are there"
ok "the log is smaller" test "$(stat -c %s "$out")" -lt "$(stat -c %s "$log")"
for flush in 21 30 45; do
    rm -f "$a" "$b"
    crash replay "$log" "$a" --to "flush:$flush" > /dev/null
    crash replay "$out" "$b" --to "flush:$((flush - 20))" --base "$base" > /dev/null
    same_content "$a" "$b" "flush:$flush is now flush:$((flush - 20)) over the base"
done

# What may be left out, and what not.
empty_image "$tmpdir/disk.img" 1M
log=$tmpdir/disk.logwrites
start_logwrites l
requests l 'write -P 0x41 0 4k' 'write -P 0x41 0 4k' flush 'write -P 0x41 0 4k' \
    'write -f -P 0x41 0 4k' 'discard 0 4k' 'write -P 0x41 0 4k' 'discard 0 4k' \
    'write -P 0 0 4k' 'write -P 0x41 0 4k' 'write -z 8k 4k' flush > /dev/null
stop_nbdkit l
is "$(field dropped-entries compact "$log" "$out" --force)" 2 \
    "the same bytes twice are dropped; not FUA, not behind a discard, not zeroes on nothing"
empty_image "$tmpdir/old" 1M
is "$(field dropped-entries compact "$log" "$out" --force --old-base "$tmpdir/old")" 3 \
    "zeroes on what is known to be zero"
is "$(field dropped-entries compact "$log" "$out" --force --keep-all)" 0 "--keep-all"
crash compact "$log" "$out" --force > /dev/null
exits 0 "the end is still the device" crash verify "$out" "$tmpdir/disk.img"
echo precious > "$base"
rm -f "$out"
refuses "a base image that exists" "exists; say --force" \
    crash compact "$log" "$out" --base flush:1 --base-image "$base"
is "$(cat "$base")" precious "it is left alone"
ok "and no log is made" test ! -e "$out"
refuses "a base without a point" "--base-image" crash compact "$log" "$out" --base-image "$base"

done_testing
