#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# How large the device is: what size= says, else the log, else the base, else as
# far as the log reaches; and what does not go together is refused.
. "${0%/*}/logreplay-functions.sh"

# is_size EXPECTED TEXT PARAMETER...
is_size()
{
    local expected=$1 text=$2
    shift 2
    start_logreplay r "$@"
    is "$(timeout 20 nbdinfo --size "$(state_uri r 0)")" "$expected" "$text"
    stop_nbdkit r
}
make_log 'write:0:1:1' 'write:100:9:2'
empty_image "$tmpdir/base.img" 1M
is_size 57344 "as far as the log reaches, in blocks of 4096"
is_size $((1 << 20)) "the base's" base="$tmpdir/base.img"
is_size 55808 "a given size, which may be odd" size=55808
is_size $((1 << 40)) "a given size, larger than all" size=1T base="$tmpdir/base.img"
refuses_to_replay "a size that is too small" \
    'entry 1 at byte 1536 changes the device up to byte 55808, but size= is 55807 bytes' \
    "$log" size=55807
empty_image "$tmpdir/small.img" 54k
refuses_to_replay "a base that is too small" \
    'entry 1 at byte 1536 changes the device up to byte 55808, but the base has 55296 bytes' \
    "$log" base="$tmpdir/small.img"
refuses_to_replay "size=0" 'size=0: a device has at least one byte' "$log" size=0

empty_image "$tmpdir/disk.img" 1000000
start_logwrites l
ok "the recording" requests l 'write 0 4k' flush
stop_nbdkit l
is_size 1000000 "what the superblock says"
refuses_to_replay "a base of another size" \
    'the log is of a device of 1000000 bytes, the base has 1048576' "$log" base="$tmpdir/base.img"
is_size $((1 << 20)) "unless it is wanted so" base="$tmpdir/base.img" size=1M

# QEMU rounds the device up to whole sectors.
take_log qemu/g20
empty_image "$tmpdir/odd.img" 1000000
is_size 1000448 "the last sector of a base may be half there" base="$tmpdir/odd.img"

make_log mark:nothing
refuses_to_replay "nobody knows" 'give size= or base=' "$log"
is_size 4096 "a log without writes" size=4k
done_testing
