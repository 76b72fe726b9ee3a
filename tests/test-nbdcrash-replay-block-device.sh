#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A block device can be a target; what it held before is gone.
. "${0%/*}/nbdcrash-functions.sh"
requires losetup
requires_root

random_image "$tmpdir/disk" 8M 1
loop=$(losetup --find --show "$tmpdir/disk" 2> /dev/null) || skip_all "no loop device here"
cleanup_fn losetup -d "$loop"

use_log fs/ext4-8m-barrier
exits 0 "replay to $loop" crash replay "$log" "$loop"
exits 0 "the device is as it was logged" crash verify "$log" "$loop"
exits 0 "from one point to another" crash replay "$log" "$loop" --from end --to flush:20
exits 0 "the device is as it was then" crash verify "$log" "$loop" --to flush:20
use_log qemu/g01
refuses "a device of another size" "has 8388608 bytes, the device has 12288" \
    crash replay "$log" "$loop"

done_testing
