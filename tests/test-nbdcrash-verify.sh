#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# verify finds every difference between a device and its log.
. "${0%/*}/nbdcrash-functions.sh"
use_log fs/ext4-8m-barrier
image=$tmpdir/image
crash replay "$log" "$image" > /dev/null

exits 0 "a full replay is equal" crash verify "$log" "$image"
is "$(field compared-bytes verify "$log" "$image")" 8388608 "all of it is compared"
patch_file "$image" 70001 ff
patch_file "$image" 5000000 ff
patch_file "$image" 5000600 ff
exits 1 "one byte that differs" crash verify "$log" "$image"
is "$(field differences verify "$log" "$image")" 2 "differences are extents"
is "$(field differences.0.offset verify "$log" "$image")" 69632 "in whole sectors"
is "$(field differences.0.logged verify "$log" "$image")" "entry 5" "and the entry is named"
is "$(field differences.1.length verify "$log" "$image")" 1024 "neighbours are one extent"

crash replay "$log" "$image" --to flush:10 > /dev/null
exits 1 "another point is not equal" crash verify "$log" "$image"
exits 0 "unless it is asked for" crash verify "$log" "$image" --to flush:10

truncate -s 4M "$image"
exits 1 "a device that is too small" crash verify "$log" "$image"
is "$(field size-differs verify "$log" "$image")" 1 "which is said"
crash replay "$log" "$tmpdir/large" --size 9M > /dev/null
exits 0 "a larger one is equal if there are zeroes" crash verify "$log" "$tmpdir/large"
patch_file "$tmpdir/large" 9000000 01
exits 1 "and not if there is something else" crash verify "$log" "$tmpdir/large"
is "$(field differences.0.logged verify "$log" "$tmpdir/large")" "never written" \
    "where nothing was logged"

random_image "$tmpdir/base" 8M 5
crash replay "$log" "$tmpdir/over" --base "$tmpdir/base" > /dev/null
exits 0 "over a base" crash verify "$log" "$tmpdir/over" --base "$tmpdir/base"
exits 0 "a device that a command serves" \
    crash verify "$log" "[ nbdkit file $tmpdir/over ]" --base "[ qemu-nbd -f raw $tmpdir/base ]"
refuses "a device that is not there" "no-such" crash verify "$log" "$tmpdir/no-such"

done_testing
