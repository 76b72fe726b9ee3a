#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The copy's file system is full: reads go on, the trouble is reported once and
# counted, and when there is room again what is read is kept again.
. "${0%/*}/cor-functions.sh"
requires_root

random_image "$tmpdir/source.raw" 16M 1
mkdir "$tmpdir/small"
mount -t tmpfs -o size=4M tmpfs "$tmpdir/small" 2> /dev/null || skip_all "no mount of a tmpfs here"
cleanup_fn umount -l "$tmpdir/small"
copy_of() { echo "$tmpdir/small/$1.raw"; }

start_cor c "$tmpdir/source.raw"
export_is c "$tmpdir/source.raw" "all of the image is read"
isnt "$(counter_of c store-failures)" 0 "what could not be kept is counted"
is "$(grep -c 'cannot be kept' "$tmpdir/c.log")" 1 "and reported once"
like "$(cat "$tmpdir/c.log")" 'No space left on device' "with the reason"
kept=$(status_of c local-clusters)
[ "$kept" -gt 10 ] && [ "$kept" -lt 70 ]
is $? 0 "what had room is local ($kept clusters)"
fails_like "a guest's write is refused: there is no other place for it" 'No space left' \
    timeout 30 qemu-io -f raw -c 'write -P 1 8M 4M' "$(uri_of c)"
export_is c "$tmpdir/source.raw" "and changed nothing that was promised"

ok "room is made" mount -o remount,size=40M "$tmpdir/small"
export_is c "$tmpdir/source.raw" "a read"
is "$(status_of c complete)" true "keeps all"
like "$(cat "$tmpdir/c.log")" 'is kept again' "and that is said"
stop_nbdkit c
same_content "$tmpdir/source.raw" "$(copy_of c)" "the copy is the image"

rm -f "$(copy_of c)"*
ok "a small disk again" mount -o remount,size=4M "$tmpdir/small"
start_cor s "$tmpdir/source.raw" cor-stream=true
stream_failed() { [ "$(stream_of s state)" = failed ]; }
ok "a stream ends when there is no room" wait_for 20 stream_failed
like "$(stream_of s error)" 'No space' "with the reason"
stop_nbdkit s
ok "a stopped copy" true
start_cor s "$tmpdir/source.raw"
export_is s "$tmpdir/source.raw" "opens, and what it has is right"
stop_nbdkit s
head -c 8M /dev/zero > "$tmpdir/small/fill" 2> /dev/null
rm -f "$(copy_of s)"*
head -c 8M /dev/zero > "$tmpdir/small/fill" 2> /dev/null
refuses_to_start "no room for the map" 'No space left' n "$tmpdir/source.raw"
done_testing
