#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A replay has the right size and no more data than it must.
. "${0%/*}/nbdcrash-functions.sh"
image=$tmpdir/image

use_log malformed/disc300
exits 0 "a discard of 300 MiB" crash replay "$log" "$image"
is "$(stat -c %s "$image")" $((300 << 20)) "the device reaches to where the log does"
is "$(used "$image")" 0 "and takes no space"
is "$(field size-known-from replay "$log" "$image")" "the last byte that the log touches" \
    "and it is said where the size comes from"

use_log qemu/g08
rm -f "$image"
exits 0 "8 KiB of zeroes" crash replay "$log" "$image" --size 1M
is "$(stat -c %s "$image")" $((1 << 20)) "--size is obeyed"
is "$(used "$image")" 0 "written zeroes are holes"

use_log qemu/g01
random_image "$image" 1M 1
exits 0 "onto a file with other content" crash replay "$log" "$image" --size 1M
is "$(sha "$image")" "$(perl -MJSON::PP -0777 -e \
    'print decode_json(<>)->{"qemu/g01.log"}{replayed_sha256}' "$samples/golden.json")" \
    "nothing of it is left"
ok "which takes the space of one block" test "$(used "$image")" -le 16384

empty_image "$image" 2M
refuses "a target of another size" "has 2097152 bytes, the device has 1048576 \(from --size\)" \
    crash replay "$log" "$image" --size 1M
is "$(stat -c %s "$image")" $((2 << 20)) "and it stays as it is"
refuses "a size that the log does not fit into" \
    "entry 0 at byte 512 goes up to byte 12288 of the device, but the device has 8192" \
    crash replay "$log" "$tmpdir/none" --size 8k
ok "no file is made then" test ! -e "$tmpdir/none"
refuses "the log as target" "the target is the same as the log" \
    crash replay "$log" "$log"
refuses "a folder as target" "irectory" crash replay "$log" "$tmpdir" --size 1M

# What was on the device before.
random_image "$tmpdir/base" 1M 2
rm -f "$image"
exits 0 "over a base" crash replay "$log" "$image" --base "$tmpdir/base"
cp "$tmpdir/base" "$tmpdir/expected"
perl -e 'print "A" x 4096' |
    dd of="$tmpdir/expected" bs=4096 seek=2 conv=notrunc status=none
same_content "$image" "$tmpdir/expected" "is the base with what was written"
refuses "the base as target" "same as the base" \
    crash replay "$log" "$tmpdir/base" --base "$tmpdir/base"

# A server as target.
requires nbdkit
start_nbdkit memory memory 1M
random_image "$tmpdir/random" 1M 3
timeout 30 nbdcopy "$tmpdir/random" "$(uri_of memory)"
exits 0 "to an NBD server" crash replay "$log" "$(uri_of memory)" --size 1M
exits 0 "which then holds it" crash verify "$log" "$(uri_of memory)"

done_testing
