#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What only a client that speaks NBD's flags can ask for, and what several
# connections ask for, and the entries that it becomes.
. "${0%/*}/logwrites-functions.sh"

requires nbdsh

# entries_of NAME EXPECTED PYTHON: on a device (of $size) and a log of its own.
# In PYTHON, a and b are connections.  (It is the system's Python that has libnbd.)
entries_of()
{
    rm -f "$log" "$tmpdir/before.img" "$tmpdir/disk.img"
    empty_image "$tmpdir/disk.img" "$size"
    start_logwrites l ${parameters[@]+"${parameters[@]}"}
    ok "$1" timeout 60 env PATH=/usr/bin:"$PATH" nbdsh -c "
a, b = nbd.NBD(), nbd.NBD()
for handle in (a, b):
    handle.set_strict_mode(0)
    handle.connect_uri('$(uri_of l)')
$3
for handle in (a, b):
    handle.shutdown()
"
    stop_nbdkit l
    is "$(entries)" "$2" "$1: the entries"
    is_whole "$1: a replay equals the device"
}
size=1M parameters=()

entries_of "a trim with FUA" '128+128 FUA,DISCARD' "a.trim(65536, 65536, nbd.CMD_FLAG_FUA)"
entries_of "a prefetch and a read are nothing" '0+0 FLUSH' "
if a.can_cache(): a.cache(4096, 0)
a.pread(4096, 0)
a.flush()"
entries_of "a flush on another connection" $'0+8 NONE\n0+0 FLUSH' "
assert a.can_multi_conn()
a.pwrite(b'x' * 4096, 0)
b.flush()"
entries_of "FUA is FUA, the first one too" $'0+8 FUA\n8+8 FUA\n16+8 FUA' "
for i in range(3): a.pwrite(b'x' * 4096, 4096 * i, nbd.CMD_FLAG_FUA)"
entries_of "FUA makes nothing else durable" $'0+8 NONE\n8+8 FUA\n16+8 NONE' "
a.pwrite(b'a' * 4096, 0)
a.pwrite(b'b' * 4096, 4096, nbd.CMD_FLAG_FUA)
a.pwrite(b'c' * 4096, 8192)"
commit=$'0+8 NONE\n0+0 FLUSH\n8+1 FUA'
entries_of "a journal's commits: write, flush, FUA" "$commit"$'\n'"$commit"$'\n'"$commit" "
for i in range(3):
    a.pwrite(b'x' * 4096, 0)
    a.flush()
    a.pwrite(b'c' * 512, 4096, nbd.CMD_FLAG_FUA)"

size=1000000
entries_of "the end of a device that is no multiple of a sector" '1952+1 NONE' "
assert a.get_size() == 1000000 - 1000000 % 512 or a.get_size() == 1000000
a.pwrite(b'K' * 64, 999424)"

# The file plugin has no fast zeroes (and nbdkit 1.32 aborts when a client sends
# what was not offered); the memory plugin has.  What it held is
# gone with it, so here the replay is compared with what was read at the end.
size=1M below=(memory 1M)
entries_of "a fast zero" $'0+128 NONE\n32+16 NONE\n0+0 FLUSH' "
assert a.can_fast_zero()
a.pwrite(b'x' * 65536, 0)
a.zero(8192, 16384, nbd.CMD_FLAG_FAST_ZERO)
a.flush()
open('$tmpdir/disk.img', 'wb').write(a.pread(1048576, 0))"
done_testing
