#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A fast zero that the device under test refuses changes nothing on either side,
# and is no mismatch, although the reference could have done it.
. "${0%/*}/blkverify-functions.sh"

two_images 1M 0x33
below=(eval thread_model='echo parallel' get_size='stat -c %s '"$tmpdir/test.raw"
    can_write='exit 0' can_zero='exit 0' can_fast_zero='exit 0'
    pread="dd if=$tmpdir/test.raw iflag=skip_bytes,count_bytes skip=\$4 count=\$3 bs=1M status=none"
    pwrite="dd of=$tmpdir/test.raw oflag=seek_bytes seek=\$4 bs=1M conv=notrunc status=none"
    zero="case \$5 in *fast*) echo EOPNOTSUPP >&2; exit 1;; esac; head -c \$3 /dev/zero |
        dd of=$tmpdir/test.raw oflag=seek_bytes seek=\$4 bs=1M conv=notrunc status=none")
start_blkverify v
watch_events v
fails "it is refused" qemu_io v -c 'write -z -n 0 64k'
ok "nothing was changed" qemu_io v -c 'read -P 0x33 0 1M'
ok "nor on the reference" holds "$tmpdir/raw.raw" 0x33 0 1M
no_false_alarm "no difference"
ok "a slow one works" qemu_io v -c 'write -z 0 64k' -c 'read -P 0 0 64k'
ok "on both" holds "$tmpdir/raw.raw" 0 0 64K
stop_nbdkit v

# One that it can do is done on both, also if the reference has to write zeroes.
below=(memory 1M)
two_images 1M
start_qemu_nbd raw -f raw "$tmpdir/raw.raw"
start_blkverify fast blkverify-raw="$(uri_of raw)"
ok "a fast zero" qemu_io fast -c 'write -P 0x44 0 64k' -c 'write -z -n 4k 8k' -c 'read -P 0 4k 8k'
done_testing
