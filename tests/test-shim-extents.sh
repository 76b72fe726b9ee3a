#!/usr/bin/env bash
# Block status is the plugin's, also where nbdkit itself would abort: extents of
# 4 GiB and more.
. "${0%/*}/shim-functions.sh"

map_of() { timeout 30 nbdinfo --map "$(uri_of "$1")"; }

start_nbdkit plain data '@0x100000 1*1048576 @0x500000 2*3' size=16M
start_nbdkit filtered --filter="$pass_filter" data '@0x100000 1*1048576 @0x500000 2*3' size=16M
is "$(map_of filtered)" "$(map_of plain)" "the filter's map is the plugin's"

start_nbdkit serial --filter="$pass_filter" --filter=noparallel data '@0x100000 1*1048576 @0x500000 2*3' size=16M
is "$(map_of serial)" "$(map_of plain)" "and so it is over a serial plugin"

start_nbdkit large --filter="$pass_filter" memory 8G
is "$(map_of large | tr -s ' ')" " 0 8589934592 3 hole,zero" "8 GiB of nothing"
# The longest request there is, for an extent that is longer still.
is "$(nbd_request large status 0 $((0xffffffff)))" "$((0xffffffff)) 3" \
    "an extent longer than the request ends where the request does"
ok "the server is still there" qemu_io large -c 'write -P 1 5G 64k' -c 'read -P 1 5G 64k'
is "$(map_of large | wc -l)" 3 "and one piece of data in it"

# An engine of ours that says more than it was asked does no harm either.
start_nbdkit liar --filter="$pass_filter" memory 8G pass-extend-extents=$((1 << 32))
is "$(nbd_request liar status 0 $((0xffffffff)))" "$((0xffffffff)) 3" "it is cut off"
ok "and the server lives" qemu_io liar -c 'read -P 0 0 64k'

empty_image "$tmpdir/disk" 8G
start_nbdkit plugin "$pass_plugin" "$tmpdir/disk"
is "$(map_of plugin | tr -s ' ')" " 0 8589934592 3 hole,zero" "the plugin form too"

done_testing
