#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The log that docs/formats/dm-log-writes.md shows byte by byte is what the filter
# writes for the requests that it names.
. "${0%/*}/logwrites-functions.sh"
requires perl

page=$abs_top_srcdir/docs/formats/dm-log-writes.md
empty_image "$tmpdir/disk.img" 1M
start_logwrites l logwrites-ext=false logwrites-mark-offset=4096
# In one session: qemu-io flushes at the end of each, if there is anything to flush.
{ printf 'logwrites-mark:sync1\n'; head -c 512 /dev/zero; } > "$tmpdir/letter"
ok "write, trim, mark, flush" requests l 'write -P 0x41 8192 1024' 'discard 65536 65536' \
    "write -s $tmpdir/letter 4096 512" flush
stop_nbdkit l

# What the page says, line by line: the offset, and the bytes from there.
checked=0 wrong=()
while read -r offset bytes; do
    found=$(od -A n -v -t x1 -j $((16#$offset)) -N 16 "$log" | xargs)
    [ "$found" = "$bytes" ] || wrong+=("$offset: page '$bytes', log '$found'")
    checked=$((checked + 1))
done < <(perl -ne 'print "$1 $2\n" if /^    ([0-9a-f]{8})  ((?:[0-9a-f]{2} +){16})/' "$page" |
    tr -s ' ' | sed 's/ $//')
is "${wrong[*]}" "" "each line of the page is in the log"
ok "all lines were looked at" [ "$checked" -ge 16 ]
is "$(perl -ne 'print $1 if /^    ([0-9a-f]{8})  end of file/' "$page")" \
    "$(printf %08x "$(stat -c %s "$log")")" "the log is as long as the page says"
# Of the body only the first line is shown.
shown=$(perl -ne 'if (/^    [0-9a-f]{8}  ((?:[0-9a-f]{2} +){16})/) { $n += grep { $_ ne "00" }
    split " ", $1 } END { print $n + 1024 - 16 }' "$page")
is "$(tr -d '\0' < "$log" | wc -c)" "$shown" "the log has nothing else but zeroes"
done_testing
