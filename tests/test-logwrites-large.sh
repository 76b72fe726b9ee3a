#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Zeroes and trims of gigabytes: split so that every reader can carry them out,
# and sparse in the log.
. "${0%/*}/logwrites-functions.sh"

empty_image "$tmpdir/disk.img" 4G
start_logwrites l
# request KIND OFFSET LENGTH: as one request; qemu-io splits them.
request() { timeout 60 perl "$abs_top_srcdir/tests/nbd-request.pl" "$tmpdir/l.sock" "$@"; }
ok "data" requests l 'write -P 1 1G 1M' 'write -P 2 3072M 1M'
ok "a zero of 3 GiB" request zero 100 $((3 << 30))
ok "a trim of 3 GiB" request trim 4096 $((3 << 30))
ok "data" requests l 'write -P 3 2G 4k'
used() { echo $(($(stat -c '%b * %B' "$log"))); }
ok "the log takes little room" [ "$(used)" -lt $((48 << 20)) ]
diag "$(used) bytes of $(stat -c %s "$log")"
stop_nbdkit l
ok "and less when it has ended" [ "$(used)" -lt $((3 << 20)) ]
is "$(entries | awk '/NONE/ { split($1, a, "+"); if (a[2] > 2097152) print } ')" "" \
    "no body is larger than 1 GiB"
is "$(entries | awk '/DISCARD/ { split($1, a, "+"); if (a[2] > 262144) print } ')" "" \
    "no discard is larger than 128 MiB"
is "$(entries | grep -c DISCARD)" 24 "3 GiB are 24 discards"
ok "it can be read" "$clients/logdump" "$log"
cp --sparse=always "$tmpdir/before.img" "$tmpdir/replay.img"
ok "and replayed" "$clients/logdump" --replay "$tmpdir/replay.img" "$log"
for at in 0 1G 2G 3G; do
    ok "a replay equals the device at $at" cmp -n $((2 << 20)) \
        -i "$(numfmt --from=iec $at)" "$tmpdir/replay.img" "$tmpdir/disk.img"
done
done_testing
