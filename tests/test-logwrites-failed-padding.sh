#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# If the rest of a sector cannot be read, a request that needs it fails, and
# neither device nor log have changed.
. "${0%/*}/logwrites-functions.sh"
requires_nbdkit_filter error

head -c 1M /dev/urandom > "$tmpdir/disk.img"
below=(--filter=error file "$tmpdir/disk.img" error-pread-rate=100% error-file="$tmpdir/broken")
start_logwrites l logwrites-sector-size=4096
touch "$tmpdir/broken"
fails_like "a write" 'Input/output' qemu_io l -c 'write -P 2 4608 512'
fails "a zero" qemu_io l -c 'write -z 512 8k'
fails "a trim" qemu_io l -d unmap -c 'discard 512 8k'
same_content "$tmpdir/disk.img" "$tmpdir/before.img" "the device has not changed"
ok "an aligned write needs nothing" requests l 'write -P 1 8k 4k'
rm "$tmpdir/broken"
ok "a write that is not aligned, later" requests l 'write -P 2 4608 512'
stop_nbdkit l
is "$(entries | grep -v FLUSH)" $'2+1 NONE\n1+1 NONE' "only what succeeded is in the log"
is_whole "a replay equals the device"
done_testing
