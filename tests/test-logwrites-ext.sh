#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The extension of the headers: kind, exact range, connection, order; and without
# it the headers are as bare as QEMU's.
. "${0%/*}/logwrites-functions.sh"

empty_image "$tmpdir/disk.img" 1M
start_logwrites l
ok "requests of all kinds" requests l 'write 0 4k' 'write -f 8k 512' 'write 100 50' 'write -z 16k 4k' \
    'write -z -u 32k 4k' 'discard 1000 2000'
stop_nbdkit l
"$clients/logdump" --ext "$log" > "$tmpdir/ext"
text() { sed 's/.* | //; s/ [0-9]*-[0-9]*$//' "$tmpdir/ext"; }
connection=$(text | grep -o 'c[1-9][0-9]*' | head -n 1)
is "$(text | grep -v '^flush')" "mark 0+0 c0 first last
write 0+4096 $connection first last
write 8192+512 $connection fua first last
write 100+50 $connection first last
zero 16384+4096 $connection first last
zero-unmap 32768+4096 $connection first last
write 1000+24 $connection first
trim 1024+1536 $connection
write 2560+440 $connection last
mark 0+0 c0 first last" "kinds, ranges, connections"
ok "each is completed after it was issued" perl -ne '
    /(\d+)-(\d+)$/ && $1 < $2 or die; $bad = 1 if $2 < ($last // 0) && !/flush/; $last = $2;
    END { exit($bad // 0) }' "$tmpdir/ext"
mapfile -t ext < <(od -A n -v -t x1 -w16 -j $((1024 + 40)) -N 16 "$log")
like "${ext[0]}" '^ 4e 42 4c 58 01 00 01 06 ' "magic, version, kind and bits of the first write"

rm -f "$log" "$tmpdir/before.img"
start_logwrites b logwrites-ext=false
ok "without it" requests b 'write 0 4k' 'write -z 16k 4k' 'discard 1000 2000'
mark b here > "$tmpdir/mark.log"
stop_nbdkit b
is "$("$clients/logdump" --ext "$log" | grep -v -c 'bare$')" 0 "no header has one"
is "$(od -A n -v -t x1 -j 28 -N 484 "$log" | tr -d ' 0\n')" "" "nor has the superblock"
is "$(od -A n -v -t x1 -j $((1024 + 24)) -N 488 "$log" | tr -d ' 0\n')" "" "a write's header is bare"
is_whole "a replay equals the device"
done_testing
