#!/usr/bin/env bash
# Zeroes arrive whole, whatever the plugin can do and however long they are.
. "${0%/*}/shim-functions.sh"

# zeroes NAME TEXT: 100 MiB of zeroes in one request, over other content.  nbdkit
# itself zeroes only the first 64 MiB where the plugin has no zero of its own.
zeroes()
{
    ok "$2: other content" qemu_io "$1" -c 'write -P 9 0 32M' -c 'write -P 9 60M 50M'
    ok "$2: one long request" nbd_request "$1" zero 0 $((100 << 20))
    ok "$2: all of it is zero, and no more" \
        qemu_io "$1" -c 'read -P 0 0 100M' -c 'read -P 9 100M 10M'
}

start_nbdkit native --filter="$pass_filter" memory 128M
zeroes native "native"
start_nbdkit none --filter="$pass_filter" --filter=nozero memory 128M zeromode=none
zeroes none "no zero below"
start_nbdkit emulate --filter="$pass_filter" --filter=nozero memory 128M zeromode=emulate
zeroes emulate "emulated below"

if scripts_work; then
    mkdir "$tmpdir/state"
    empty_image "$tmpdir/state/disk" 128M
    start_nbdkit script --filter="$pass_filter" eval \
        get_size='echo 128M' \
        pread="dd if=$tmpdir/state/disk iflag=skip_bytes,count_bytes skip=\$4 count=\$3 bs=1M status=none" \
        pwrite="dd of=$tmpdir/state/disk oflag=seek_bytes seek=\$4 bs=1M conv=notrunc status=none" \
        can_write='exit 0' can_zero='exit 0' \
        zero='echo EOPNOTSUPP >&2; exit 1'
    zeroes script "a plugin that only says at run time that it cannot"
else
    skip "a plugin that only says at run time" "scripts do not run under the thread sanitizer"
fi

done_testing
