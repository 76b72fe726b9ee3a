#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A recording that goes on behind an existing log, of ours, of QEMU's, or of a
# kernel; acknowledged entries that a killed server had not counted are found.
. "${0%/*}/logwrites-functions.sh"

empty_image "$tmpdir/disk.img" 1M
start_logwrites a logwrites-append=true logwrites-super-update-interval=100000
ok "an empty log can be appended to" requests a 'write -P 1 0 4k'
stop_nbdkit a
start_logwrites b logwrites-append=true
ok "a second run" requests b 'write -P 2 4k 4k'
stop_nbdkit b
is "$(entries)" $'0+8 NONE\n0+0 FLUSH\n8+8 NONE\n0+0 FLUSH' "both runs are in the log"
is_whole "a replay equals the device"
is "$("$clients/logdump" --ext "$log" | sed 's/.* //' | tr - '\n' | sort -n | uniq -d)" "" \
    "sequence numbers go on"

# Nobody flushes, and the server is killed.
start_logwrites c logwrites-append=true logwrites-super-update-interval=100000
{
    timeout 20 qemu-io -f raw -t writeback -c 'write -P 3 8k 4k' -c 'write -P 4 100 50' \
        -c 'write -z 64k 64k' -c 'sigraise 9' "$(uri_of c)"
} > "$tmpdir/qemu-io.log" 2>&1
wait_for 10 eval '[ "$(query c entries)" -ge 12 ]'
kill_nbdkit c
unlike "$(entries | tail -n 3 | paste -s -d ' ')" '128\+128' "they are not counted"
head -c 3000 /dev/urandom >> "$log"
start_logwrites d logwrites-append=true
like "$(cat "$tmpdir/d.log")" '3 entries that the superblock did not count were recovered.*; [0-9]+ bytes behind the last entry are cut off' \
    "an appending server says what it has found"
stop_nbdkit d
is_whole "a replay equals the device again"

# An old log behind ours is not taken for ours: the same place, another run.
rm -f "$log" "$tmpdir/before.img"
start_logwrites e
ok "many writes" requests e 'write -P 5 0 4k' 'write -P 6 4k 4k' 'write -P 7 8k 4k'
stop_nbdkit e
cp "$log" "$tmpdir/old.log"
rm -f "$log" "$tmpdir/before.img"
start_logwrites f
ok "fewer writes" requests f 'write -P 8 0 4k'
stop_nbdkit f
size=$(stat -c %s "$log")
tail -c +$((size + 1)) "$tmpdir/old.log" >> "$log"
start_logwrites g logwrites-append=true
unlike "$(cat "$tmpdir/g.log")" 'recovered' "entries of another log are not recovered"
stop_nbdkit g
is_whole "and not replayed"

# Without append the log is replaced.
start_logwrites h
stop_nbdkit h
is "$(entries)" '' "without append the log is replaced"
is "$(stat -c %s "$log")" 1536 "and nothing is left of it"
done_testing
