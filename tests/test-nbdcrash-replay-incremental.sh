#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# --from writes only what differs, forwards and backwards, and the result is the
# same as that of a replay from the start.
. "${0%/*}/nbdcrash-functions.sh"
use_log fs/ext4-8m-barrier
image=$tmpdir/image
fresh=$tmpdir/fresh

crash replay "$log" "$image" --to 0 --size 8M > /dev/null || bail_out "no first replay"
at=0
for to in flush:3 flush:20 flush:5 e30 end 7 e12:keep= end 0; do
    written=$(field written-bytes replay "$log" "$image" --from "$at" --to "$to")
    rm -f "$fresh"
    whole=$(field written-bytes replay "$log" "$fresh" --to "$to" --size 8M)
    same_content "$image" "$fresh" "from $at to $to"
    [ "$at" = 0 ] || ok "writes less: $written, not $whole bytes" test "$written" -le "$whole"
    at=$to
done

random_image "$tmpdir/base" 8M 4
crash replay "$log" "$image" --base "$tmpdir/base" --to end > /dev/null
exits 0 "back to where the base shows again" \
    crash replay "$log" "$image" --from end --to 0 --base "$tmpdir/base"
same_content "$image" "$tmpdir/base" "which is the base itself"

refuses "a target that is not there" "does not exist; with --from" \
    crash replay "$log" "$tmpdir/none" --from 0
is "$(field zeroed-bytes replay "$log" "$image" --from end --to end)" 0 "nothing to do"

done_testing
