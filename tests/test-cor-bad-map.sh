#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A map that is damaged is refused, with the place and what to do.  (Every single
# byte: unit/test-allocation-map.)
. "${0%/*}/cor-functions.sh"

random_image "$tmpdir/source.raw" 2M 1
random_image "$tmpdir/other.raw" 2M 2
start_cor c "$tmpdir/source.raw"
qemu_io c -c 'write -P 7 64k 64k' -c 'read 0 128k' -c flush > /dev/null
stop_nbdkit c
start_cor o "$tmpdir/other.raw"
qemu_io o -c 'read 0 512k' -c flush > /dev/null
stop_nbdkit o
map=$(copy_of c).map
cp "$map" "$tmpdir/good.map"

# damaged NAME REGEX COMMAND...: changes the map, and looks.
damaged()
{
    local name=$1 regex=$2
    shift 2
    cp "$tmpdir/good.map" "$map"
    "$@"
    refuses_to_start "$name" "$regex" c "$tmpdir/source.raw"
}
flip()
{
    perl -e 'open my $f, "+<", $ARGV[0] or die; seek $f, $ARGV[1], 0; read $f, my $b, 1;
        seek $f, $ARGV[1], 0; print $f chr(ord($b) ^ 0x10);' "$map" "$1"
}
for at in 0 9 13 17 25 33 41 70 4000 4096 5000 8191 8192 8200 9000 12288 16000 16383; do
    damaged "a flipped bit in byte $at" 'damaged: .*(byte|page|version)' flip $at
done
damaged "cut off inside the header" 'damaged: it has 5000 bytes' truncate -s 5000 "$map"
damaged "cut off" 'damaged: it has 12000 bytes.*has to have 16384' truncate -s 12000 "$map"
damaged "too long" 'damaged: it has 20000 bytes' truncate -s 20000 "$map"
damaged "empty" 'damaged: it has 0 bytes' truncate -s 0 "$map"
damaged "a page that is all zeroes" 'damaged: page 1' \
    dd if=/dev/zero of="$map" bs=4096 seek=2 count=2 conv=notrunc status=none
damaged "a page of another map" 'damaged: page 1' \
    dd if="$(copy_of o).map" of="$map" bs=4096 seek=2 skip=2 count=2 conv=notrunc status=none
damaged "another file" 'damaged: .*magic' cp "$tmpdir/source.raw" "$map"
damaged "the map of another copy" "is a copy of .*other.raw.*the source is now" \
    cp "$(copy_of o).map" "$map"
refuses_to_start "what to do is said" 'give each source a cor-file of its own' c "$tmpdir/source.raw"

cp "$tmpdir/good.map" "$map"
start_cor c "$tmpdir/source.raw"
ok "the good map is still good" qemu_io c -c 'read -P 7 64k 64k'
is "$(status_of c local-clusters)" 2 "and says what is local"
done_testing
