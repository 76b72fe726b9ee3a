#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The superblock is there from the start, and right after each flush, FUA and
# mark, every so many entries, and at the end.
. "${0%/*}/logwrites-functions.sh"

counted() { od -A n -t u8 -j 16 -N 8 "$log" | tr -d ' '; }
# unflushed NAME COMMAND...: qemu-io flushes when it ends, unless it crashes.
unflushed()
{
    local name=$1 command arguments=()
    shift
    for command in "$@" 'sigraise 9'; do arguments+=(-c "$command"); done
    { timeout 20 qemu-io -f raw -t writeback "${arguments[@]}" "$(uri_of "$name")"; } \
        > "$tmpdir/io.log" 2>&1
}

empty_image "$tmpdir/disk.img" 1M
start_logwrites l
is "$(counted)" 1 "at the start there is a mark"
is "$(last_entry)" '0+0 MARK logwrites-start' "which says so"
unflushed l 'write 0 4k' 'write 4k 4k'
is "$(counted)" 1 "plain writes are not counted at once"
is "$("$clients/logdump" --whole "$log" | wc -l)" 3 "but they are there"
unflushed l 'write -f 8k 4k'
is "$("$clients/logdump" "$log" | grep -c NONE)" 2 "FUA counts all that is before it"
kill_nbdkit l
is "$("$clients/logdump" "$log" | cut -d' ' -f3- | sed -n '4p')" "16+8 FUA" "and itself, even after a crash"

rm -f "$log" "$tmpdir/before.img"
start_logwrites i logwrites-super-update-interval=2
unflushed i 'write 0 512' 'write 512 512' 'write 1k 512' 'write 2k 512' 'write 3k 512'
is "$(counted)" 6 "interval 2: start and five writes"
unflushed i 'write 4k 512'
is "$(counted)" 6 "interval 2: the next one is not counted yet"
kill_nbdkit i

rm -f "$log" "$tmpdir/before.img"
start_logwrites o logwrites-super-update-interval=1
unflushed o 'write 0 512'
is "$(counted)" 2 "interval 1: each one is"
unflushed o 'write 512 512'
is "$(counted)" 3 "interval 1: and the next"
stop_nbdkit o
is "$(counted)" 4 "at the end there is a mark"
is "$(last_entry)" '0+0 MARK logwrites-end' "which says so"
is "$(stat -c %s "$log")" $((512 + 4 * 512 + 2 * 512)) "and nothing behind it"
done_testing
