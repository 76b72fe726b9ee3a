#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What the log has not written comes from the base: a file, an NBD server or a
# command.  The base is never written.
. "${0%/*}/logreplay-functions.sh"

random_image "$tmpdir/disk.img" 1M 7
start_logwrites l
ok "the recording" requests l 'write -P 1 64k 4k' flush 'write -P 2 100 1000' \
    'discard 128k 64k' 'write -z 256k 64k' flush
stop_nbdkit l
image_size=$(stat -c %s "$tmpdir/disk.img")
entries=$("$clients/logdump" "$log" | wc -l)
before=$(sha256sum < "$tmpdir/before.img")

# check TEXT BASE: all points, over BASE.
check()
{
    local point
    start_logreplay r base="$2"
    for ((point = 0; point <= entries; point++)); do
        replay_to "$point" "$tmpdir/expected.img" "$tmpdir/before.img"
        fetch r "$point" "$tmpdir/served.img"
        cmp "$tmpdir/expected.img" "$tmpdir/served.img" || break
    done
    ok "$1: points 0 to $entries" test "$point" -gt "$entries"
    ok "$1: the end is the device" cmp "$tmpdir/served.img" "$tmpdir/disk.img"
    ok "$1: a client may write" state_io r end 'write -P 9 0 1M' flush 'read -P 9 0 1M'
    stop_nbdkit r
}
check "a file" "$tmpdir/before.img"
start_nbdkit server file "$tmpdir/before.img"
check "a server" "$(uri_of server)"
stop_nbdkit server
check "a command" "[ nbdkit file $tmpdir/before.img ]"
is "$(sha256sum < "$tmpdir/before.img")" "$before" "the base is as it was"

start_logreplay r
fetch r flush:1 "$tmpdir/served.img"
image_size=$(stat -c %s "$tmpdir/served.img")
replay_to "$("$clients/logdump" "$log" | sed -n 's/^\([0-9]*\) .*FLUSH.*/\1/p' | head -n 1)" \
    "$tmpdir/expected.img"
same_content "$tmpdir/served.img" "$tmpdir/expected.img" "without a base there are zeroes"
done_testing
