#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Files of a secondary that are gone, of another size, exchanged, of another disk or
# damaged: it does not start, says which file and what to do, and changes nothing.
. "${0%/*}/replication-functions.sh"

random_image "$tmpdir/s.disk" 1M 1
random_image "$tmpdir/o.disk" 1M 2
for name in s o; do
    start_secondary $name replication-bitmap="$run/$name.bitmap"
    watch_events $name
    control replication-start
    primary_io $name 'write -P 0x22 64k 64k' flush > /dev/null
    view_io $name 'write -P 0x33 0 4k' flush > /dev/null
    stop_nbdkit $name
done
mkdir "$tmpdir/good"
cp -a "$run"/* "$tmpdir"/s.disk* "$tmpdir/good/"
# with NAME REGEX COMMAND...: the files are changed by the command.
with()
{
    local name=$1 regex=$2
    shift 2
    "$@"
    refuses_to_start "$name" "$regex" s replication-bitmap="$run/s.bitmap"
    rm -rf "$run"/s.* "$tmpdir"/s.disk*
    cp -a "$tmpdir"/good/s.disk* "$tmpdir/"
    cp -a "$tmpdir"/good/s.{active,hidden}* "$tmpdir"/good/s.bitmap "$run/"
}
flip()
{
    perl -e 'open my $f, "+<", $ARGV[0] or die; seek $f, $ARGV[1], 0; read $f, my $b, 1;
        seek $f, $ARGV[1], 0; print $f chr(ord($b) ^ 0x10);' "$1" "$2"
}
with "hidden is gone" "replication-hidden='.*' is gone, but its map" rm "$run/s.hidden"
with "active is gone" "replication-active='.*' is gone, but its map" rm "$run/s.active"
with "hidden's map is gone" "replication-hidden: its map '.*' is gone" rm "$run/s.hidden.map"
with "active's map is gone" "replication-active: its map '.*' is gone" rm "$run/s.active.map"
with "both maps are gone" 'is not empty, but there is no map' rm "$run"/s.{hidden,active}.map
with "hidden is shorter" 'length are not the same' truncate -s 512k "$run/s.hidden"
with "active is longer" 'length are not the same' truncate -s 2M "$run/s.active"
with "the disk is longer" 'length are not the same: .* the disk has 2097152' \
    truncate -s 2M "$tmpdir/s.disk"
exchange() { mv "$run/s.hidden" "$run/x"; mv "$run/s.active" "$run/s.hidden"; mv "$run/x" "$run/s.active"
    mv "$run/s.hidden.map" "$run/x"; mv "$run/s.active.map" "$run/s.hidden.map"; mv "$run/x" "$run/s.active.map"; }
with "hidden and active are exchanged" 'must not be exchanged' exchange
foreign() { cp -a "$run/o.hidden" "$run/s.hidden"; cp -a "$run/o.hidden.map" "$run/s.hidden.map"; }
with "hidden is of another disk" 'do not belong together' foreign
both() { foreign; cp -a "$run/o.active" "$run/s.active"; cp -a "$run/o.active.map" "$run/s.active.map"; }
with "both are of another disk" 'belongs to another disk' both
for at in 0 12 100 4100 8191 8192 9000 12288 16383; do
    with "byte $at of hidden's map is wrong" "the map '.*hidden.map' is damaged" \
        flip "$run/s.hidden.map" $at
done
with "a byte of active's map is wrong" "the map '.*active.map' is damaged" flip "$run/s.active.map" 8200
with "hidden's map is shorter" 'damaged: it has 12288 bytes' truncate -s 12288 "$run/s.hidden.map"
for at in 0 13 24 60 100 127; do
    with "byte $at of the identity is wrong" "replication-identity='.*' is damaged" \
        flip "$tmpdir/s.disk.replication" $at
done
with "the identity is shorter" 'is damaged: it has 100 bytes and must have 128' \
    truncate -s 100 "$tmpdir/s.disk.replication"
pipe_for() { rm "$1"; mkfifo "$1"; }
for file in "$run"/s.{hidden,active,hidden.map,active.map,bitmap} "$tmpdir/s.disk.replication"; do
    with "${file##*/} is a pipe" "${file##*/}.*not a regular file" pipe_for "$file"
done
with "the change map is damaged" 's.bitmap.*damaged' flip "$run/s.bitmap" 1200
start_secondary s replication-bitmap="$run/s.bitmap"
watch_events s
state_is "the good files are still good" running
ok "with what they held" view_io s 'read -P 0x33 0 4k'
try_secondary o replication-active="$run/s.active"
like "$(cat "$tmpdir/o.log")" 'replication-active' "a second user of a file is refused"
stop_nbdkit s

rm "$run"/s.{active,hidden}*
start_secondary s replication-bitmap="$run/s.bitmap"
watch_events s
is "$(replication_value consistent)" false "without all of its files there is no checkpoint"
like "$(cat "$tmpdir/s.log")" 'nothing to fail over to' "which is said"
done_testing
