#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A log that cannot be continued is refused, with QEMU's words where it has them,
# and left as it is.
. "${0%/*}/logwrites-functions.sh"

empty_image "$tmpdir/disk.img" 1M
# good_log [PARAMETER...]: makes the log that is poked.
good_log()
{
    rm -f "$log"
    start_logwrites l "$@"
    ok "some entries ${*:-with checksums}" requests l 'write -P 1 0 4k' flush
    stop_nbdkit l
    cp "$log" "$tmpdir/good.log"
}

# poke OFFSET BYTES: into a copy of the good log; BYTES as \\x41\\x42.
poke()
{
    cp "$tmpdir/good.log" "$log"
    printf '%b' "$2" | dd of="$log" bs=1 seek="$1" conv=notrunc status=none
}
# refused NAME REGEX [PARAMETER...]
refused()
{
    local name=$1 regex=$2
    shift 2
    cp "$log" "$tmpdir/copy.log"
    refuses_to_start "$name" "$regex" logwrites-append=true "$@"
    same_content "$log" "$tmpdir/copy.log" "$name: the log has not changed"
}

good_log
poke 40 '\x41'
refused "the superblock's checksum" \
    'the superblock does not match its checksum; nbdcrash repair makes a new one'
poke $((1024 + 16)) '\x02'
refused "a header's checksum" 'log entry 1 at byte 1024: its header does not match its checksum'
poke $((1024 + 511)) '\x02'
refused "the last byte of a header" 'log entry 1 at byte 1024: its header does not match'
truncate -s 2M "$tmpdir/disk.img"
cp "$tmpdir/good.log" "$log"
refused "another size of the device" 'the log of a device of 1048576 bytes, the device has 2097152'
truncate -s 1M "$tmpdir/disk.img"

# Without checksums.
good_log logwrites-ext=false
poke 0 '\x41'
refused "magic" 'Invalid log superblock magic'
poke 8 '\x02'
refused "version" 'Unsupported log version 2'
poke 24 '\x00\x01'
refused "sector size 256" 'Invalid log sector size 256: allowed is a power of two from 512 to 8388608'
poke 24 '\x00\x00'
refused "sector size 0" 'Invalid log sector size 0'
poke $((1024 + 16)) '\x2f'
refused "flags" 'Invalid flags 0x2F in log entry 1'
poke 16 '\x32'
refused "a count that is too high" \
    'Failed to read log entry [0-9]+ at byte [0-9]+: the file ends at byte [0-9]+, 50 entries are counted'
poke $((1024 + 8)) '\x00\x00\x00\x00\x00\x00\x00\x80'
refused "a body without end" 'log entry 1 at byte 1024: sector 0 and length [0-9]+ are beyond what a device can have'
poke $((1024 + 8)) '\x00\x01'
refused "a body that is cut" 'log entry 1 at byte 1024: its body of 131072 bytes ends at byte [0-9]+, the file at byte [0-9]+'
for size in 10 27; do
    head -c $size "$tmpdir/good.log" > "$log"
    refused "cut at $size" 'Invalid log superblock magic'
done
for size in 28 600 1100 3000; do
    head -c $size "$tmpdir/good.log" > "$log"
    refused "cut at $size" 'Failed to read log entry [01] at byte (512|1024): '
done
cp "$tmpdir/good.log" "$log"
refused "a sector size" 'log-append and log-sector-size are mutually exclusive' logwrites-sector-size=512
printf '%512s' '' | tr ' ' '\0' | dd of="$log" bs=1 seek=1024 conv=notrunc status=none
refused "a header of zeroes" 'log entry 1 at byte 1024: its header is all zeroes'
cp "$tmpdir/good.log" "$log"
truncate -s 2K "$tmpdir/disk.img"
refused "entries behind the end of the device" \
    'log entry 1 at byte 1024: its 8 sectors from sector 0 on lie beyond the end .* has 2048 bytes'
truncate -s 1M "$tmpdir/disk.img"

# What QEMU refuses: the kernel's METADATA.
poke $((1024 + 16)) '\x10'
start_logwrites m logwrites-append=true
stop_nbdkit m
like "$(entries | head -n 1)" '0\+8 METADATA' "an entry with METADATA is accepted"
done_testing
