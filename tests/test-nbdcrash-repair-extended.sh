#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# repair of a log of ours: the checksums prove which entries belong to it.
. "${0%/*}/nbdcrash-functions.sh"
. "${0%/*}/logwrites-functions.sh"
log=$tmpdir/disk.logwrites

# record FILE: a log with some requests in it.
record()
{
    rm -f "$log" "$log.idx"
    empty_image "$tmpdir/disk.img" 1M
    start_logwrites "$1"
    requests "$1" 'write -P 0x41 0 4k' 'write -f -P 0x42 4k 512' flush 'write -P 0x43 8k 8k' \
        'write -z 64k 64k' 'discard 128k 64k' flush > /dev/null
    stop_nbdkit "$1"
    cp "$log" "$tmpdir/$1.recorded"
}
record one
whole=$(field entries info "$log")
ok "a log of $whole entries is recorded" test "$whole" -ge 8

# The count is that of an earlier moment: encode it again with repair's help.
# count N: sets the count, which makes the superblock's checksum wrong.
count() { patch_file "$log" 16 "$(printf '%02x00000000000000' "$1")"; }
count 3
refuses "a superblock that does not match its checksum" "does not match its checksum" \
    crash info "$log"
is "$(field superblock repair "$log" --device-size 1M)" damaged "is found to be damaged"
is "$(field entries info "$log")" "$whole" "and made anew, with all entries"
exits 0 "the replay is the device" crash verify "$log" "$tmpdir/disk.img"
exits 0 "nothing is left to do" crash repair "$log"

# Without a superblock at all.
dd if=/dev/zero of="$log" bs=512 count=1 conv=notrunc status=none
is "$(field sector-bytes repair "$log")" 512 "the size of a sector is found by itself"
is "$(field entries info "$log")" "$whole" "all entries are there"
exits 0 "the replay is the device again" crash verify "$log" "$tmpdir/disk.img"

# An entry whose body is not what it was ends it.
cp "$tmpdir/one.recorded" "$log"
position=$(field entries.2.position list "$log")
patch_file "$log" $((position + 600)) ff
dd if=/dev/zero of="$log" bs=512 count=1 conv=notrunc status=none
is "$(field entries repair "$log")" 2 "a damaged body ends what is sure"
like "$(field tail.ended repair "$log" --dry-run)" "body of entry 2 does not match" "and is named"

# Entries of another recording behind the end.
cp "$tmpdir/one.recorded" "$log"
record two
end=$(field end-position info "$log")
tail -c +513 "$tmpdir/one.recorded" >> "$log"
exits 0 "entries of another recording behind the end" crash repair "$log"
is "$(field entries info "$log")" "$whole" "are not taken"
like "$(field tail.ended info "$log")" "byte $end: .*another recording" "they are recognised"
exits 0 "not even with --plain" crash repair "$log" --plain
is "$(field entries info "$log")" "$whole" "not one"

done_testing
