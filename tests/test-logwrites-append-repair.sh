#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# An appending server goes on behind exactly what nbdcrash repair finds: an
# answered FUA write behind a mark with a long name is not cut off.
. "${0%/*}/nbdcrash-functions.sh"
. "${0%/*}/logwrites-functions.sh"
log=$tmpdir/disk.logwrites

empty_image "$tmpdir/disk.img" 1M
start_logwrites a
dd if="$log" of="$tmpdir/older.super" bs=512 count=1 status=none
ok "a write" requests a 'write -P 1 0 4k'
ok "a mark that leaves no room for checksums" mark a "$(printf '%450s' '' | tr ' ' m)"
ok "a FUA write is answered" requests a 'write -f -P 2 64k 4k'
kill_nbdkit a
# The machine lost power, and the superblock on the disk is an older one.
dd if="$tmpdir/older.super" of="$log" bs=512 conv=notrunc status=none

counted=$(field counted-entries info "$log")
sure=$(field tail.sure-entries info "$log")
ok "$sure entries are not counted" test "$sure" -ge 3
start_logwrites b logwrites-append=true
like "$(cat "$tmpdir/b.log")" "[^0-9]$sure entries that the superblock did not count" \
    "an appending server finds as many"
unlike "$(cat "$tmpdir/b.log")" "cut off" "and cuts nothing off"
is "$(query b entries)" $((counted + sure + 1)) "and adds its own mark"
stop_nbdkit b
like "$(entries | paste -s -d ' ')" '128\+8 FUA' "the FUA write is in the log"
is_whole "a replay equals the device"
done_testing
